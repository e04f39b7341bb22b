"""What a proof measures, and how its numbers are written: shares in per cent and points, others in their own unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from assay.analysis.format import (
    number,
    number_between,
    percent,
    percent_between,
    points,
    points_between,
    signed_number,
)
from assay.core.effect import Effect


@dataclass(frozen=True)
class Measure:
    """One number that is told of every model."""

    name: str = "accuracy"
    unit: str = ""
    """Nothing for a share, which is written in per cent."""
    share: bool = True
    """Whether items are right or wrong."""
    better: Literal["higher", "lower"] = "higher"

    @property
    def note(self) -> str:
        """What the number is, for the head of a column."""
        told = [self.unit, "lower is better" if self.better == "lower" else ""]
        return ", ".join(part for part in told if part)

    def value(self, effect: Effect) -> str:
        """A number, such as "87.4 %" or "2.31"."""
        return value(effect.estimate, self.share)

    def between(self, effect: Effect) -> str:
        """Its interval."""
        return between(effect, self.share)

    def gap(self, effect: Effect) -> str:
        """A difference: "+1.9 points" or "\u22120.12"."""
        return gap(effect, self.share)

    def gap_between(self, effect: Effect) -> str:
        """The interval of a difference."""
        return gap_between(effect, self.share)

    def drawn(self, effect: Effect) -> Effect:
        """For plots."""
        return drawn(effect, self.share)

    def drawn_at(self, amount: float) -> float:
        """One number as plots have it."""
        return amount if self.share else amount / 100


ACCURACY = Measure()


def value(amount: float, share: bool) -> str:
    """A share as "31.6 %", another number as it is."""
    return percent(amount) if share else number(amount)


def between(effect: Effect, share: bool) -> str:
    """Its interval."""
    return percent_between(effect) if share else number_between(effect)


def gap(effect: Effect, share: bool) -> str:
    """A difference: "+1.9 points", or "+0.019"."""
    return points(effect) if share else signed_number(effect.estimate)


def gap_between(effect: Effect, share: bool) -> str:
    """The interval of a difference."""
    return points_between(effect) if share else number_between(effect, sign=True)


def drawn(effect: Effect, share: bool) -> Effect:
    """For plots, whose axes are in per cent: a number that is no share is drawn as it is."""
    if share:
        return effect
    low, high = (None if end is None else end / 100 for end in (effect.low, effect.high))
    return replace(effect, estimate=effect.estimate / 100, low=low, high=high)
