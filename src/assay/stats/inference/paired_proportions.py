"""The difference of two shares of the same items, with an interval that holds where they hardly differ."""

from __future__ import annotations

import math

from assay.core.effect import Effect
from assay.stats.inference.intervals import wilson


def paired_proportions(both: float, first: float, second: float, neither: float, level: float = 0.95) -> Effect:
    """The share of the first less that of the second, of items on which both stand.

    Of all items, how many have it with `both`, with the `first` alone, with the `second` alone and with `neither`;
    their sum is a whole number. The counts themselves may be fractional: of an item that was tried in several ways, the
    share of them. Where the two never differ the interval is not a point: how many items there are still counts.

    Raises:
        ValueError: A count is below 0, their sum is no whole number from 1 up, or `level` lies outside (0, 1).

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17, 2635-2650, method 10.
    """
    counts = (both, first, second, neither)
    n = round(math.fsum(counts))
    if min(counts) < 0 or n < 1 or not math.isclose(math.fsum(counts), n, abs_tol=1e-6):
        raise ValueError(f"Counts must be 0 or more and sum to a whole number from 1 up, were {counts}.")
    ours, theirs = wilson(min(n, both + first), n, level), wilson(min(n, both + second), n, level)
    difference = (first - second) / n
    method = "paired, newcombe"
    if ours.low is None or ours.high is None or theirs.low is None or theirs.high is None:
        return Effect(difference, None, None, n, level, method)
    together = _together(both, first, second, neither)
    below, above = ours.estimate - ours.low, ours.high - ours.estimate
    other_below, other_above = theirs.estimate - theirs.low, theirs.high - theirs.estimate
    low = difference - math.sqrt(max(0.0, below**2 - 2 * together * below * other_above + other_above**2))
    high = difference + math.sqrt(max(0.0, above**2 - 2 * together * above * other_below + other_below**2))
    return Effect(difference, max(-1.0, low), min(1.0, high), n, level, method)


def _together(both: float, first: float, second: float, neither: float) -> float:
    """The correlation of the two, drawn towards zero where it is positive; 0 where one of them is always the same."""
    scale = (both + first) * (second + neither) * (both + second) * (first + neither)
    if scale <= 0:
        return 0.0
    cross = both * neither - first * second
    n = both + first + second + neither
    return (max(cross - n / 2, 0.0) if cross > 0 else cross) / math.sqrt(scale)
