"""What facts must hold before anything is drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite


def must_add_up(what: str, requested: int, parts: tuple[int, int, int]) -> None:
    """Refuses a funnel where requested is not kept + dropped + failed, or a part is negative.

    Raises:
        ValueError: Says which, with the counts.
    """
    if min(parts) < 0 or sum(parts) != requested:
        raise ValueError(
            f"The funnel of {what} does not add up: requested {requested}, "
            f"but kept {parts[0]} + dropped {parts[1]} + failed {parts[2]} = {sum(parts)}."
        )


def must_be_finite(value: object, where: str, exempt: type) -> None:
    """Refuses NaN and infinity anywhere within dataclasses, mappings and tuples, but inside values of type `exempt`.

    Raises:
        ValueError: Says where.
    """
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{where} is {value}: what was not measured is None.")
    if not isinstance(value, exempt):
        for name, part in _parts(value):
            must_be_finite(part, where + name, exempt)


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What a value is made of, each with the way to it."""
    if is_dataclass(value):
        yield from ((f".{part.name}", getattr(value, part.name)) for part in fields(value))
    elif isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, tuple):
        yield from ((f"[{nth}]", part) for nth, part in enumerate(value))
