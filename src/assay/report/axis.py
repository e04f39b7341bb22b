"""Plot axis: maps values to percent of the plot's width or height."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """Axis from `low` to `high` with ticks at round numbers."""

    low: float
    high: float
    ticks: tuple[float, ...]
    step: float
    """Distance of ticks."""

    def at(self, value: float) -> float:
        """Position of `value`, 0 to 100, clipped to the axis."""
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def holds(self, value: float) -> bool:
        """Whether `value` is within the axis."""
        return self.low <= value <= self.high

    def text(self, tick: float) -> str:
        """Format a tick with the decimals of the tick distance."""
        return f"{tick:,.{max(0, -math.floor(math.log10(self.step) + 1e-9))}f}".replace("-", "\u2212")


def axis_over(values: Iterable[float], ticks: int = 5) -> Axis:
    """Return the shortest axis between round numbers that holds all `values` (at least one)."""
    numbers = list(values)
    low, high = min(numbers), max(numbers)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Axis(first * step, last * step, tuple(nth * step for nth in range(first, last + 1)), step)


def axis_between(low: float, high: float, ticks: int = 4) -> Axis:
    """Return the axis from `low` to `high` exactly, with at least two round ticks."""
    step = _round_step((high - low) / ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:
        return axis_between(low, high, ticks + 1)
    return Axis(low, high, tuple(nth * step for nth in range(first, last + 1)), step)


def _round_step(rough: float) -> float:
    """Round up to 1, 2, 5, 10, 20, ..., with a tolerance of 10%."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.9)
