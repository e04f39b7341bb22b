"""Errors: codes, fields, passage between processes; libraries of optional extras, imported only where they are used."""

from __future__ import annotations

import ast
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import assay
from assay.components.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.components.scorers.image.block_list import BlockList
from assay.components.scorers.reference.metrics import Bleu, ChrF
from assay.components.scorers.text.language import Language
from assay.components.scorers.text.privacy import PersonalData, Secrets
from assay.components.scorers.verifiers.json_matches import JsonMatches, _validator
from assay.components.sources.text.food_reviews import _frame
from assay.core.errors import (
    AssayError,
    FieldError,
    MissingLibraryError,
    ModelError,
    RecipeError,
    SourceError,
    StoreError,
    UserError,
    require,
)
from assay.core.roles import ScoreTable
from assay.core.sample import Sample
from assay.images.hashes import perceptual_hash
from assay.text.instructions import languages
from assay.text.privacy import detectors
from assay.text.similarity import diversity
from labs import tiny_lab

EXTRAS = {
    "privacy": ("phonenumbers", "stdnum", "detect_secrets"),
    "text": ("datasketch", "textblob", "py3langid", "sacrebleu", "rdata"),
    "images": ("imagehash",),
    "verify": ("jsonschema",),
}
CARD = [Sample({"text": "4111 1111 1111 1111", "reference": "a"})]


def score_with_validator() -> None:
    _validator.cache_clear()
    JsonMatches({"type": "object"}).score([Sample({"text": "{}"})], tiny_lab())


USES: Sequence[tuple[str, str, Callable[[], object]]] = (
    ("phonenumbers", "privacy", PersonalData),
    ("stdnum", "privacy", lambda: PersonalData().score(CARD, tiny_lab())),
    ("detect_secrets", "privacy", lambda: Secrets().score(CARD, tiny_lab())),
    ("datasketch", "text", lambda: FuzzyDuplicates("text").decide(ScoreTable(["a"], {}, {"text": ["a"]}))),
    ("textblob", "text", lambda: diversity.instruction_verb("Write a poem.")),
    ("py3langid", "text", lambda: Language("text").score([Sample({"text": "This is a sentence."})], tiny_lab())),
    ("sacrebleu", "text", lambda: Bleu().score([], tiny_lab())),
    ("sacrebleu", "text", lambda: ChrF().score([], tiny_lab())),
    ("rdata", "text", lambda: _frame(Path(), "small_fine_foods")),
    ("imagehash", "images", lambda: perceptual_hash(np.zeros((8, 8, 3), np.uint8))),
    ("jsonschema", "verify", score_with_validator),
)


@pytest.mark.parametrize(("library", "extra", "use"), USES)
def test_missing_library_names_its_extra(
    library: str, extra: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    caches = (languages._identifier, diversity._tagger, diversity._singular, detectors._secret_patterns, _validator)
    for cache in caches:
        cache.cache_clear()
    with pytest.raises(MissingLibraryError) as caught:
        use()
    assert (caught.value.code, caught.value.library, caught.value.extra) == ("missing-library", library, extra)
    assert f'pip install "assay[{extra}]"' in str(caught.value)
    for cache in caches:
        cache.cache_clear()


def test_block_list_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hashes.txt").write_text("0123456789abcdef one\n")
    monkeypatch.setitem(sys.modules, "imagehash", None)
    lab = tiny_lab()
    image = lab.images.put(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(MissingLibraryError):
        BlockList(str(tmp_path / "hashes.txt")).score([Sample({"image": image})], lab)


def test_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(MissingLibraryError("rdata", "text")))
    assert (error.library, error.extra, error.code) == ("rdata", "text", "missing-library")


def test_broken_library_is_not_reported_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brokenlibrary.py").write_text("import notinstalledanywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="notinstalledanywhere"):
        require("brokenlibrary", "text")


def test_no_module_imports_an_optional_library_at_import_time() -> None:
    optional = {library for libraries in EXTRAS.values() for library in libraries}
    root = Path(assay.__file__).parent
    eager = []
    for file in root.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            eager += [f"{file.relative_to(root)}: {name}" for name in names if name.partition(".")[0] in optional]
    assert eager == []


@pytest.mark.parametrize("kind", [UserError, RecipeError, FieldError, ModelError, SourceError, StoreError])
def test_an_error_keeps_its_parts_between_processes(kind: type[UserError]) -> None:
    error = kind("It is wrong.", hint="Mend it.", place="a.csv, line 2", value=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "It is wrong.\n  Mend it."
    assert (again.message, again.hint) == ("It is wrong.", "Mend it.")
    assert again.fields == {"place": "a.csv, line 2", "value": 3}


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    kinds, waiting = list[type[AssayError]](), [AssayError]
    while waiting:
        kinds.append(kind := waiting.pop())
        waiting += [subclass for subclass in kind.__subclasses__() if subclass.__module__.startswith("assay.")]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))
    assert MissingLibraryError("ray", "ray").fields == {"library": "ray", "extra": "ray"}
