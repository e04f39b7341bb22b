"""What a scorer says of a sample: a number on a declared scale, a fingerprint, a label, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SHARE = "share correct"
"""The unit of what is right, 1, or wrong, 0."""
UNSAFE = "probability of unsafe"
"""The unit of what a safety scorer says of an image."""


@dataclass(frozen=True)
class Scale:
    """What a score's number means. Charts, filters and reports read it; nobody guesses."""

    unit: str
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower", "neither"] = "higher"

    def holds(self, value: float) -> bool:
        """Whether `value` lies on the scale."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Score:
    """A finite number on the scorer's scale, and why."""

    value: float
    reason: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """Named facts behind the number, e.g. the probability of the runner-up."""
    answer: str = ""
    """What the judged or judging model answered, e.g. the class a classifier named."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"A score must be finite, was {self.value}: return Unscored to say there is none.")


@dataclass(frozen=True)
class Fingerprint:
    """A vector to compare samples by, such as an image's embedding."""

    vector: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.vector or not all(math.isfinite(x) for x in self.vector):
            raise ValueError("A fingerprint must be a non-empty vector of finite numbers: return Unscored instead.")


@dataclass(frozen=True)
class Label:
    """One of a closed set of words, how sure, and why."""

    value: str
    reason: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    answer: str = ""
    """What the model said, where `value` is what assay made of it: the class that an expert "disagrees" with, say."""


@dataclass(frozen=True)
class Unscored:
    """No number, and why. Never a zero: a judge that timed out has not found the sample bad."""

    cause: Literal["not_applicable", "unparsed", "failed"]
    reason: str


Outcome = Score | Fingerprint | Label | Unscored
