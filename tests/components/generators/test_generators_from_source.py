"""FromSource."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.components.filters.length import Length
from assay.components.generators.from_source import FromSource
from assay.components.sources.image.ood_images import Digits
from assay.components.sources.text.texts import Texts
from assay.core.errors import RecipeError, SourceError
from assay.core.recipe import Recipe
from assay.core.sample import Sample
from assay.pipeline.plan import plan_run
from error_fields import raises
from labs import tiny_lab
from preference_parts import Prompts
from run_parts import counts, run


def test_samples_equal_those_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("a river\na\na b c\n", encoding="utf-8")
    source = Texts(str(tmp_path / "some.txt"))
    make = FromSource(source)
    samples = make.generate(make.seeds(), tiny_lab())
    originals = source.read(tiny_lab())
    assert [(dict(sample.fields), sample.made_by) for sample in samples if isinstance(sample, Sample)] == [
        (dict(sample.fields), "collected") for sample in originals
    ]
    assert [sample.parents for sample in samples if isinstance(sample, Sample)] == [
        (sample.id,) for sample in originals
    ]
    run(Recipe("given", make, keep=(Length(low=2),)), tmp_path / "run")
    assert counts(tmp_path / "run", "keep") == {"rows": 3, "kept": 2, "dropped": 1}


def test_equal_samples_have_different_ids() -> None:
    class Twice(Prompts):
        def read(self, lab: object) -> list[Sample]:
            return [Sample({"text": "a"}), Sample({"text": "a"}), Sample({"text": "a"}, nth=1)]

    seeds = FromSource(Twice()).seeds()
    assert len({seed.id for seed in seeds}) == 3


def test_changed_file_changes_the_key(tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    keys = []
    for text in ("a\n", "b\n"):
        file.write_text(text, encoding="utf-8")
        ((_, placed), *_) = plan_run(Recipe("given", FromSource(Texts(str(file)))), tmp_path / "run")
        assert placed is not None
        keys.append(placed.key)
    assert keys[0] != keys[1]


def test_invalid_sources_raise(tmp_path: Path) -> None:
    with raises(SourceError, path=str(tmp_path / "none.txt")):
        FromSource(Texts(str(tmp_path / "none.txt"))).seeds()
    with pytest.raises(RecipeError, match=r"FromSource\.source .*Digits"):
        FromSource(Digits()).seeds()
