"""The serializer of the report data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from assay.analysis.results import to_plain


@dataclass(frozen=True)
class Part:
    values: tuple[float, ...]
    png: bytes = b"image"

    @property
    def total(self) -> float:
        return sum(self.values)


@dataclass(frozen=True)
class Whole:
    parts: Mapping[str, Part] = field(default_factory=dict)
    missing: float | None = None


def test_fields_and_properties_are_serialized_without_bytes() -> None:
    assert to_plain(Whole({"a": Part((1.0, 2.0))})) == {
        "parts": {"a": {"values": [1.0, 2.0], "total": 3.0}},
        "missing": None,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_none(value: float) -> None:
    assert to_plain([value, 1.0]) == [None, 1.0]


def test_another_type_is_refused_with_its_path() -> None:
    with pytest.raises(TypeError, match=r"report\.parts\['a'\]\.values\[0\] .*\bcomplex\b"):
        to_plain(Whole({"a": Part((1j,))}))  # type: ignore[arg-type]
