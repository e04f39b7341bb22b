"""Paired tests of binary outcomes: McNemar, Newcombe's interval, minimum detectable difference, Holm's adjustment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtri

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson


@dataclass(frozen=True)
class McNemar:
    """Discordant pairs and exact p-value."""

    ours_only: int
    """Items that only ours answered correctly."""
    theirs_only: int
    """Items that only theirs answered correctly."""
    p: float
    """Two-sided, exact."""


def mcnemar(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> McNemar:
    """Exact two-sided McNemar test of two binary columns.

    Shapes: (n_items,) each. One model per side: pooled seeds would count items repeatedly. Without discordant pairs, p
    is 1.

    Raises:
        ValueError: Not one-dimensional, different lengths, or values other than 0 and 1.

    Source: McNemar 1947; the binomial form is statsmodels' `mcnemar(exact=True)`.
    """
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"McNemar's test needs two columns of equal length, had shapes {a.shape} and {b.shape}.")
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise ValueError("McNemar's test needs binary values.")
    only_a = int(np.sum((a == 1) & (b == 0)))
    only_b = int(np.sum((a == 0) & (b == 1)))
    differing = only_a + only_b
    # Twice the smaller tail, as the null distribution is symmetric. scipy.stats takes a second to import.
    p = min(1.0, 2 * float(bdtr(min(only_a, only_b), differing, 0.5))) if differing else 1.0
    return McNemar(only_a, only_b, p)


def paired_proportions(both: float, first: float, second: float, neither: float, level: float = 0.95) -> Effect:
    """Difference of two paired proportions, first minus second, with Newcombe's interval.

    Counts of items positive in `both`, the `first` only, the `second` only and `neither`. Counts may be fractional
    (items tried several times), their sum is a whole number. Without discordant items the interval is not degenerate.

    Raises:
        ValueError: A negative count, a sum that is not a positive whole number, or `level` outside (0, 1).

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17, 2635-2650, method 10.
    """
    counts = (both, first, second, neither)
    n = round(math.fsum(counts))
    if min(counts) < 0 or n < 1 or not math.isclose(math.fsum(counts), n, abs_tol=1e-6):
        raise ValueError(f"Counts must be at least 0 and sum to a positive whole number, were {counts}.")
    ours, theirs = wilson(min(n, both + first), n, level), wilson(min(n, both + second), n, level)
    difference = (first - second) / n
    method = "paired, newcombe"
    if ours.low is None or ours.high is None or theirs.low is None or theirs.high is None:
        return Effect(difference, None, None, n, level, method)
    phi = _correlation(both, first, second, neither)
    below, above = ours.estimate - ours.low, ours.high - ours.estimate
    other_below, other_above = theirs.estimate - theirs.low, theirs.high - theirs.estimate
    low = difference - math.sqrt(max(0.0, below**2 - 2 * phi * below * other_above + other_above**2))
    high = difference + math.sqrt(max(0.0, above**2 - 2 * phi * above * other_below + other_below**2))
    return Effect(difference, max(-1.0, low), min(1.0, high), n, level, method)


def _correlation(both: float, first: float, second: float, neither: float) -> float:
    """Phi coefficient with Newcombe's continuity correction; 0 if a margin is 0."""
    scale = (both + first) * (second + neither) * (both + second) * (first + neither)
    if scale <= 0:
        return 0.0
    cross = both * neither - first * second
    n = both + first + second + neither
    return (max(cross - n / 2, 0.0) if cross > 0 else cross) / math.sqrt(scale)


def minimum_detectable_difference(n: int, differing: float, level: float = 0.95, power: float = 0.8) -> float:
    """Difference of two accuracies that `n` paired items detect with probability `power`, as a fraction.

    `differing` is the fraction of discordant items, 0 to 1: with 10% discordant items, 10,000 items detect 0.9
    percentage points and 500 items 4.0. Training variance is not included. The result is at most `differing`, the
    maximum possible difference; if it is equal, no difference may be detectable.

    Raises:
        ValueError: `n` is below 2, or a fraction is outside its range.

    Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample design",
    equation 3, solved for the difference; its normal approximation.
    """
    check_level(level)
    check_level(power)
    if n < 2 or not 0 <= differing <= 1:
        raise ValueError(f"Expected n >= 2 and differing in [0, 1], had {n} and {differing}.")
    alpha, beta = float(ndtri(0.5 + level / 2)), float(ndtri(power))
    # n d^2 = (alpha sqrt(differing) + beta sqrt(differing - d^2))^2, solved by fixed-point iteration, which converges
    # because d^2 is small compared to `differing`.
    difference = 0.0
    for _ in range(100):
        remainder = max(0.0, differing - difference**2)
        difference = min(differing, (alpha * math.sqrt(differing) + beta * math.sqrt(remainder)) / math.sqrt(n))
    return difference


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm-adjusted p-values in input order; controls the family-wise error rate under any dependence.

    Raises:
        ValueError: A p-value is outside [0, 1].

    Source: Holm 1979, section 3; the adjusted form is statsmodels' `multipletests(method="holm")`.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"P-values must be between 0 and 1, were {list(p_values)}.")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(map(float, adjusted))
