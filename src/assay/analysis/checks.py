"""Consistency checks of report data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite


def must_add_up(what: str, requested: int, parts: tuple[int, int, int]) -> None:
    """Check that requested = kept + dropped + failed, and that no count is negative.

    Raises:
        ValueError: The counts do not add up.
    """
    if min(parts) < 0 or sum(parts) != requested:
        raise ValueError(
            f"The funnel of {what} does not add up: requested {requested}, "
            f"but kept {parts[0]} + dropped {parts[1]} + failed {parts[2]} = {sum(parts)}."
        )


def must_be_finite(value: object, where: str, exempt: type) -> None:
    """Check that dataclasses, mappings and tuples hold neither NaN nor infinity, outside of values of type `exempt`.

    Raises:
        ValueError: A number is not finite; the message names its path.
    """
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{where} is {value}; a missing value must be None.")
    if not isinstance(value, exempt):
        for name, part in _parts(value):
            must_be_finite(part, where + name, exempt)


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Yield the parts of a value with their path."""
    if is_dataclass(value):
        yield from ((f".{part.name}", getattr(value, part.name)) for part in fields(value))
    elif isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, tuple):
        yield from ((f"[{nth}]", part) for nth, part in enumerate(value))
