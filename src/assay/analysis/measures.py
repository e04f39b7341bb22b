"""Measures, and the formatting of their numbers: proportions in percent, other measures in their own unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from assay.analysis.format import (
    ci,
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
class ProofMeasure:
    """A measure by which every model is evaluated."""

    name: str = "accuracy"
    unit: str = ""
    """Empty for a proportion, which is written in percent."""
    proportion: bool = True
    """Whether each item is correct or incorrect."""
    better: Literal["higher", "lower"] = "higher"

    @property
    def note(self) -> str:
        """Unit and direction, for a column heading."""
        notes = [self.unit, "lower is better" if self.better == "lower" else ""]
        return ", ".join(part for part in notes if part)

    def value(self, effect: Effect) -> str:
        """Format an estimate, such as "87.4%" or "2.31"."""
        return value(effect.estimate, self.proportion)

    def between(self, effect: Effect) -> str:
        """Format the interval of an estimate."""
        return between(effect, self.proportion)

    def gap(self, effect: Effect) -> str:
        """Format a difference, such as "+1.9 pp" or "\u22120.12"."""
        return gap(effect, self.proportion)

    def gap_between(self, effect: Effect) -> str:
        """Format the interval of a difference."""
        return gap_between(effect, self.proportion)

    def gap_with_interval(self, effect: Effect) -> str:
        """Format a difference with its interval, such as "+1.9 pp (95% CI +1.2 to +2.6)"."""
        return f"{self.gap(effect)} ({ci(effect, self.gap_between(effect))})"

    def plot_effect(self, effect: Effect) -> Effect:
        """Scale an estimate for plots."""
        return drawn(effect, self.proportion)

    def plot_value(self, amount: float) -> float:
        """Scale one number for plots."""
        return amount if self.proportion else amount / 100


ACCURACY = ProofMeasure()


def value(amount: float, proportion: bool) -> str:
    """Format a proportion as "31.6%" and any other number as it is."""
    return percent(amount) if proportion else number(amount)


def between(effect: Effect, proportion: bool) -> str:
    """Format the interval of an estimate."""
    return percent_between(effect) if proportion else number_between(effect)


def gap(effect: Effect, proportion: bool) -> str:
    """Format a difference: "+1.9 pp" for proportions, else "+0.019"."""
    return points(effect) if proportion else signed_number(effect.estimate)


def gap_between(effect: Effect, proportion: bool) -> str:
    """Format the interval of a difference."""
    return points_between(effect) if proportion else number_between(effect, sign=True)


def drawn(effect: Effect, proportion: bool) -> Effect:
    """Scale an effect for plots, whose axes are in percent; other numbers keep their value."""
    if proportion:
        return effect
    low, high = (None if end is None else end / 100 for end in (effect.low, effect.high))
    return replace(effect, estimate=effect.estimate / 100, low=low, high=high)
