"""Which models a component names, those of its parts too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def models_in(spec: Mapping[str, Any], part: str = "") -> Iterator[tuple[str, str]]:
    """(name of the part, reference) of each model in a component's spec; the part is "" for the component's own.

    Parts are such as the answerers and rankers of `Preferences`, by the names that the recipe gives them.
    """
    if isinstance(reference := spec.get("model"), str) and reference:
        yield part, reference
    for name, value in spec.items():
        if isinstance(value, Mapping):
            yield from models_in(value, name)
