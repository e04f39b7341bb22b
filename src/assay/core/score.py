"""Outcomes of scorers: a number on a declared scale, a fingerprint, a label, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FRACTION_CORRECT_UNIT = "share correct"
"""Unit of correctness, 1 or 0."""
UNSAFE_UNIT = "probability of unsafe"
"""Unit of image safety scores."""


@dataclass(frozen=True)
class Scale:
    """Unit, range and direction of a score, for charts, filters and reports."""

    unit: str
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower", "neither"] = "higher"

    def holds(self, value: float) -> bool:
        """Whether `value` is within the range."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Score:
    """Finite number on the scorer's scale, with its reason."""

    value: float
    reason: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """Named supporting numbers, such as the second highest probability."""
    answer: str = ""
    """Answer of the scored or scoring model, such as the predicted class."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"Score.value must be finite, was {self.value}. Return Unscored if there is no score.")


@dataclass(frozen=True)
class Fingerprint:
    """Vector for comparing samples, such as an image embedding."""

    vector: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.vector or not all(math.isfinite(x) for x in self.vector):
            raise ValueError("Fingerprint.vector must be non-empty and finite. Return Unscored if there is none.")


@dataclass(frozen=True)
class Label:
    """Categorical outcome with its reason."""

    value: str
    reason: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    answer: str = ""
    """Answer of the model from which `value` was derived."""


@dataclass(frozen=True)
class Unscored:
    """Missing outcome with its cause. A failure is never a score of 0."""

    cause: Literal["not_applicable", "unparsed", "failed"]
    reason: str


Outcome = Score | Fingerprint | Label | Unscored
