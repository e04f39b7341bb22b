"""A model's reference to a place: a folder on this machine or an id on the Hugging Face hub.

| reference | where |
|---|---|
| `embedded:NAME` | `assay/embedded/NAME/`, carried by assay, or a package of its own |
| `./folder`, `/folder`, any folder that exists | on disk; also what assay trained |
| `file.gguf` | on disk; unpacked once into the cache |
| `org/name` | the hub, or its cache on this machine |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from assay.core.errors import ModelError, did_you_mean
from assay.models.embedded.packaged import PACKAGED, place_of
from assay.models.text.gguf import unpacked

EMBEDDED = "embedded:"
GGUF = ".gguf"
ONNX = ".onnx"
MARKS = ("model_index.json", "config.json")
"""One of these makes a folder a model's: the first a diffusers pipeline's, the second a transformers model's."""
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
FORMS = "A model is embedded:NAME, a folder such as ./folder, or org/name on the hub."


@dataclass(frozen=True)
class Checkpoint:
    """Where a model lies. Equal checkpoints hold equal files, so one may serve for the other."""

    reference: str
    """As the user wrote it, for messages."""
    location: str
    """What `from_pretrained` is given: a folder's path or a hub id."""
    stamp: tuple[tuple[str, int, int], ...] | None = None
    """(path, size, time of change) of each file in the folder; None for a hub id."""

    @property
    def folder(self) -> Path | None:
        """The folder; None for a hub id."""
        return None if self.stamp is None else Path(self.location)


def locate(reference: str) -> Checkpoint:
    """Finds what `reference` names, and looks at a folder's files without loading them.

    Raises:
        ModelError: No such model, no model folder, pickled weights, or a file of weights that is cut off.
    """
    if reference.startswith(EMBEDDED):
        return _in_folder(reference, _embedded(reference.removeprefix(EMBEDDED)))
    path = Path(reference).expanduser()
    if path.suffix == GGUF:
        return _in_folder(reference, unpacked(path))
    if path.is_dir() or reference.startswith(("/", "./", "../", "~")):
        return _in_folder(reference, path)
    if _SCHEME.match(reference):
        raise ModelError(f"Model {reference!r} is not a checkpoint, which is needed here.", hint=FORMS)
    if _HUB.fullmatch(reference):
        return Checkpoint(reference, reference)
    known = [EMBEDDED + name for name in embedded_names()]
    raise ModelError(f"{reference!r} names no model.", hint=f"{FORMS} {known_names(reference, known)}".rstrip())


def embedded_names() -> tuple[str, ...]:
    """What may follow `embedded:`, in alphabetical order."""
    root = Path(str(resources.files("assay.models.embedded")))
    own = (path.name for path in root.iterdir() if any((path / mark).is_file() for mark in MARKS))
    return tuple(sorted([*own, *PACKAGED]))


def known_names(word: str, known: Iterable[str]) -> str:
    """`did_you_mean`, and nothing where nothing is known."""
    known = tuple(known)
    return did_you_mean(word, known) if known else ""


def kind_of(folder: Path) -> str:
    """What lies in a model folder, by its own account: a class such as "CLIPModel"."""
    if (folder / MARKS[0]).is_file():
        return str(read_json(folder / MARKS[0]).get("_class_name", "diffusers pipeline"))
    config = read_json(folder / MARKS[1])
    names = config.get("architectures") or [config.get("_class_name") or config.get("model_type") or "unnamed model"]
    return str(names[0])


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: It is not JSON, or no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object.")
    return value


def _embedded(name: str) -> Path:
    if name not in embedded_names():
        known = known_names(name, embedded_names())
        raise ModelError(f"assay carries no model {name!r}.", hint=known or "This copy of assay carries no models.")
    if name in PACKAGED:
        path = place_of(name)
        if path.suffix == ONNX:
            raise ModelError(f"The model 'embedded:{name}' tells images apart and nothing else; it is no start.")
        return unpacked(path) if path.suffix == GGUF else path
    return Path(str(resources.files("assay.models.embedded"))) / name


def _in_folder(reference: str, folder: Path) -> Checkpoint:
    if not folder.is_dir():
        there = "is a file" if folder.exists() else "does not exist"
        raise ModelError(f"Model {reference!r}: {folder} {there}; a folder was expected.", hint=FORMS)
    if not any((folder / mark).is_file() for mark in MARKS):
        names = sorted(path.name for path in folder.iterdir())
        there = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "nothing"
        raise ModelError(f"{folder} is no model folder: expected {MARKS[0]} or {MARKS[1]}, there is {there}.")
    _check_weights(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stamp = tuple((str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return Checkpoint(reference, str(folder.resolve()), stamp)


def _check_weights(folder: Path) -> None:
    """Refuses pickled weights, which can run any program when they are read, and files that are cut off."""
    parts = [folder]
    if (folder / MARKS[0]).is_file():
        parts = [folder / name for name in read_json(folder / MARKS[0])]
    for part in parts:
        if not (part / MARKS[1]).is_file():  # a scheduler or a tokenizer
            continue
        weights = sorted(part.glob("*.safetensors"))
        for path in weights:
            _check_safetensors(path)
        if weights:
            continue
        pickled = sorted(path for path in part.iterdir() if path.suffix in PICKLED)
        if pickled:
            raise ModelError(
                f"{pickled[0]} holds pickled weights: reading it could run any program, so assay does not.",
                hint="Load it with its own library and save_pretrained it, which writes *.safetensors.",
            )
        raise ModelError(f"{part} has a config.json but no weights: expected *.safetensors.")


def _check_safetensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        # The header must account for every byte of the file, so this sees a file that was cut off.
        with safe_open(str(path), framework="np") as file:
            file.keys()
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged: {error}.", hint="Copy or download it again.") from error
