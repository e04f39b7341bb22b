"""The models that assay carries: ordinary checkpoints, only small."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from assay.models.embedded.packaged import PACKAGED


@dataclass(frozen=True)
class Carried:
    """One embedded model."""

    reference: str
    kind: str
    """The class its configuration names."""
    megabytes: float
    about: str
    """The first sentence of its card."""


def folder() -> Path:
    """Where they lie."""
    return Path(str(resources.files("assay.models.embedded")))


def carried() -> list[Carried]:
    """Every embedded model, in order of name."""
    found = []
    for path in sorted(folder().iterdir()):
        kind = _kind(path)
        if kind is None:
            continue
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        found.append(Carried(f"embedded:{path.name}", kind, size / 1e6, _about(path)))
    for one in PACKAGED.values():
        if (place := one.path) is not None:
            files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            found.append(Carried(f"embedded:{one.name}", one.kind, megabytes, one.about))
    return sorted(found, key=lambda one: one.reference)


def _kind(path: Path) -> str | None:
    for name, key in (("model_index.json", "_class_name"), ("config.json", "architectures")):
        if (path / name).is_file():
            value = json.loads((path / name).read_text(encoding="utf-8")).get(key, "unknown")
            return str(value[0] if isinstance(value, list) else value)
    return None


def _about(path: Path) -> str:
    card = path / "README.md"
    if not card.is_file():
        return ""
    body = card.read_text(encoding="utf-8").split("---\n", 2)[-1]  # what follows the front matter
    paragraphs = [part.strip() for part in body.split("\n\n")]
    first = next((part for part in paragraphs if not part.startswith("#")), "")
    return " ".join(first.split()).split(". ")[0].rstrip(".") + "."
