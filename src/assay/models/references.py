"""Resolution of model references to a folder on this machine or an id on the Hugging Face hub.

| reference | location |
|---|---|
| `embedded:NAME` | `assay/models/embedded/NAME/`, or a package of its own |
| `./folder`, `/folder`, any existing folder | on disk; also models trained by assay |
| `file.gguf` | on disk; unpacked once into the cache |
| `org/name` | the hub, or its local cache |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.errors import ModelError, did_you_mean
from assay.models.embedded.catalog import PACKAGED, models_folder, packaged_path
from assay.models.text.gguf import unpack_gguf

EMBEDDED = "embedded:"
GGUF = ".gguf"
ONNX = ".onnx"
CONFIG_FILES = ("model_index.json", "config.json")
"""Files that mark a model folder: of a diffusers pipeline, and of a transformers model."""
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
FORMS = "A model is embedded:NAME, a folder such as ./folder, or org/name on the hub."


@dataclass(frozen=True)
class Checkpoint:
    """Location of a model. Equal checkpoints have equal files."""

    reference: str
    """As the user wrote it, for messages."""
    location: str
    """Argument of `from_pretrained`: a folder's path or a hub id."""
    stamp: tuple[tuple[str, int, int], ...] | None = None
    """(path, size, modification time) of each file in the folder; None for a hub id."""

    @property
    def folder(self) -> Path | None:
        """The folder; None for a hub id."""
        return None if self.stamp is None else Path(self.location)


def locate(reference: str) -> Checkpoint:
    """Resolve a reference, and check a folder's files without loading them.

    Raises:
        ModelError: There is no such model, the folder is not a model, or its weights are pickled or truncated.
    """
    if reference.startswith(EMBEDDED):
        return _in_folder(reference, _embedded_folder(reference.removeprefix(EMBEDDED)))
    path = Path(reference).expanduser()
    if path.suffix == GGUF:
        return _in_folder(reference, unpack_gguf(path))
    if path.is_dir() or reference.startswith(("/", "./", "../", "~")):
        return _in_folder(reference, path)
    if _SCHEME.match(reference):
        raise ModelError(f"Model {reference!r} is not a checkpoint, which is required here.", hint=FORMS)
    if _HUB.fullmatch(reference):
        return Checkpoint(reference, reference)
    references = [EMBEDDED + name for name in embedded_names()]
    raise ModelError(
        f"{reference!r} is not a model reference.",
        hint=f"{FORMS} {did_you_mean(reference, references)}",
        reference=reference,
    )


def embedded_names() -> tuple[str, ...]:
    """Names of the embedded models, sorted."""
    shipped = (path.name for path in models_folder().iterdir() if any((path / name).is_file() for name in CONFIG_FILES))
    return tuple(sorted([*shipped, *PACKAGED]))


def kind_of(folder: Path) -> str:
    """Class name in a model folder's configuration, such as "CLIPModel"."""
    if (folder / CONFIG_FILES[0]).is_file():
        return str(read_json(folder / CONFIG_FILES[0]).get("_class_name", "diffusers pipeline"))
    config = read_json(folder / CONFIG_FILES[1])
    names = config.get("architectures") or [config.get("_class_name") or config.get("model_type") or "unnamed model"]
    return str(names[0])


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: The file is not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}.", path=str(path)) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} does not contain a JSON object.")
    return value


def _embedded_folder(name: str) -> Path:
    if name not in embedded_names():
        hint = did_you_mean(name, embedded_names())
        raise ModelError(f"There is no embedded model {name!r}.", hint=hint, name=name)
    if name in PACKAGED:
        path = packaged_path(name)
        if path.suffix == ONNX:
            raise ModelError(f"The model 'embedded:{name}' only classifies images; it cannot be fine-tuned.")
        return unpack_gguf(path) if path.suffix == GGUF else path
    return models_folder() / name


def _in_folder(reference: str, folder: Path) -> Checkpoint:
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise ModelError(
            f"Model {reference!r}: {folder} {state}; a folder was expected.",
            hint=FORMS,
            model=reference,
            path=str(folder),
            exists=folder.exists(),
        )
    if not any((folder / name).is_file() for name in CONFIG_FILES):
        names = sorted(path.name for path in folder.iterdir())
        listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "nothing"
        raise ModelError(
            f"{folder} is not a model folder: expected {CONFIG_FILES[0]} or {CONFIG_FILES[1]}, found {listed}.",
            path=str(folder),
            files=tuple(names),
        )
    _check_weights(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stamp = tuple((str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return Checkpoint(reference, str(folder.resolve()), stamp)


def _check_weights(folder: Path) -> None:
    """Reject pickled weights, which can run any program when they are loaded, and truncated files."""
    parts = [folder]
    if (folder / CONFIG_FILES[0]).is_file():
        parts = [folder / name for name in read_json(folder / CONFIG_FILES[0])]
    for part in parts:
        if not (part / CONFIG_FILES[1]).is_file():  # a scheduler or a tokenizer
            continue
        weights = sorted(part.glob("*.safetensors"))
        for path in weights:
            _check_safetensors(path)
        if weights:
            continue
        pickled = sorted(path for path in part.iterdir() if path.suffix in PICKLED)
        if pickled:
            raise ModelError(
                f"{pickled[0]} contains pickled weights. Loading them could run any program, so assay refuses.",
                hint="Load it with its own library and call save_pretrained, which writes *.safetensors.",
                path=str(pickled[0]),
                weights="pickled",
            )
        raise ModelError(
            f"{part} has a config.json but no weights: expected *.safetensors.", path=str(part), weights="missing"
        )


def _check_safetensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        # The header must account for every byte of the file, so this detects a truncated file.
        with safe_open(str(path), framework="np") as file:
            file.keys()
    except (SafetensorError, OSError) as error:
        hint = "Copy or download it again."
        raise ModelError(f"{path} is damaged: {error}.", hint=hint, path=str(path), weights="damaged") from error
