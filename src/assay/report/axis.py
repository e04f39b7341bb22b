"""A number line: from values to per cent of a plot's width or height."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with round numbers to label."""

    low: float
    high: float
    ticks: tuple[float, ...]
    step: float
    """Between ticks."""

    def at(self, value: float) -> float:
        """Where `value` lies, 0 to 100; off the line it is moved to its end."""
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def holds(self, value: float) -> bool:
        """Whether `value` lies on the line."""
        return self.low <= value <= self.high

    def text(self, tick: float) -> str:
        """A tick in as many decimals as its neighbors need."""
        return f"{tick:,.{max(0, -math.floor(math.log10(self.step) + 1e-9))}f}".replace("-", "\u2212")


def axis_over(values: Iterable[float], ticks: int = 5) -> Axis:
    """The shortest line between round numbers that holds all `values`; there must be one."""
    found = list(values)
    low, high = min(found), max(found)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Axis(first * step, last * step, tuple(nth * step for nth in range(first, last + 1)), step)


def axis_between(low: float, high: float, ticks: int = 4) -> Axis:
    """The line from `low` to `high` exactly, with the round numbers between them, two at the least."""
    step = _round_step((high - low) / ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:
        return axis_between(low, high, ticks + 1)
    return Axis(low, high, tuple(nth * step for nth in range(first, last + 1)), step)


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not smaller, up to a little."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.9)
