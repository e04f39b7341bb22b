"""Intervals of proportions, means of proportions, and means of grouped (clustered) items."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import t

from assay.core.effect import Effect


def wilson(successes: float, n: int, level: float = 0.95) -> Effect:
    """Proportion `successes / n` with Wilson's score interval.

    `successes` may be fractional, such as the mean over training seeds. `n` counts items, not items times seeds.

    Raises:
        ValueError: `n` is below 1, `successes` is outside [0, n], or `level` outside (0, 1).

    Source: Wilson 1927; Brown, Cai and DasGupta 2001, section 3.1.1, formula 4. No continuity correction.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"A proportion needs 0 <= successes <= n and n >= 1, had {successes} of {n}.")
    check_level(level)
    proportion = successes / n
    if n < 2:
        return Effect(proportion, None, None, n, level, "wilson")
    z = float(ndtri(0.5 + level / 2))
    shrink = 1 + z * z / n
    center = (proportion + z * z / (2 * n)) / shrink
    half = z * math.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n)) / shrink
    # Exact at the ends, where the formula is subject to rounding.
    low = 0.0 if successes == 0 else max(0.0, center - half)
    high = 1.0 if successes == n else min(1.0, center + half)
    return Effect(proportion, low, high, n, level, "wilson")


def mean_of_proportions(successes: Sequence[float], counts: Sequence[int], level: float = 0.95) -> Effect:
    """Unweighted mean (macro average) of proportions `successes[k] / counts[k]`, with an interval.

    The strata (such as subjects of an exam) are fixed; only items within them are sampled. `n` counts all items. The
    Wilson limits are combined by MOVER; a single stratum gives its Wilson interval.

    Raises:
        ValueError: No strata, different numbers of successes and counts, or as `wilson`.

    Source: Zou, Huang and Zhang 2009, "A note on confidence interval estimation for a linear function of binomial
    proportions", Computational Statistics & Data Analysis 53, section 2, with weights 1 / k.
    """
    if not counts or len(successes) != len(counts):
        raise ValueError(f"successes and counts must have the same length, had {len(successes)} and {len(counts)}.")
    parts = [wilson(right, n, level) for right, n in zip(successes, counts, strict=True)]
    mean, total = math.fsum(part.estimate for part in parts) / len(parts), sum(counts)
    below = [part.estimate - part.low for part in parts if part.low is not None]
    above = [part.high - part.estimate for part in parts if part.high is not None]
    if len(below) < len(parts):  # a proportion of one item has no interval
        return Effect(mean, None, None, total, level, "mean of shares, wilson")
    low, high = mean - math.hypot(*below) / len(parts), mean + math.hypot(*above) / len(parts)
    return Effect(mean, max(0.0, low), min(1.0, high), total, level, "mean of shares, wilson")


def check_level(level: float) -> None:
    """Reject a confidence level outside (0, 1), such as 95 for 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"The confidence level must be between 0 and 1, was {level}.")


def grouped_mean(values: Sequence[float], groups: Sequence[Hashable], level: float = 0.95) -> Effect:
    """Mean over items with clustered standard errors; `n` counts items. One group gives no interval.

    Raises:
        ValueError: No values, values that are not finite, or different numbers of values and groups.

    Source: Miller 2024, "Adding error bars to evals", section 2.2, equation 4 (clustered standard errors), times
    G / (G - 1) for G groups and with Student's t of G - 1 degrees of freedom: Cameron and Miller 2015, "A
    practitioner's guide to cluster-robust inference", section VI.
    """
    check_level(level)
    items, sums = _validate(values, groups)
    mean, count = float(items.mean()), len(sums)
    if count < 2:
        return Effect(mean, None, None, len(items), level, "mean of one group")
    half = float(t.ppf(0.5 + level / 2, count - 1)) * math.sqrt(_variance(items, sums))
    return Effect(mean, mean - half, mean + half, len(items), level, "clustered t")


def grouped_proportion(right: Sequence[float], groups: Sequence[Hashable], level: float = 0.95) -> Effect:
    """Proportion of correct items with Wilson's interval for the effective sample size.

    Items may be fractional. The effective sample size is between the number of groups and the number of items; it is
    the number of groups if all items are correct or none is, as the correlation within groups is unknown then.

    Raises:
        ValueError: As `grouped_mean`.

    Source: Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", section 2 (the effective sample size), with Wilson's interval for Clopper-Pearson's.
    """
    check_level(level)
    items, sums = _validate([float(value) for value in right], groups)
    proportion, count = float(items.mean()), len(sums)
    variance = _variance(items, sums) if count > 1 else 0.0
    effective = count if variance == 0 else min(len(items), max(count, round(proportion * (1 - proportion) / variance)))
    return replace(wilson(proportion * effective, effective, level), n=len(items), method="wilson, clustered")


def _validate(values: Sequence[float], groups: Sequence[Hashable]) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Values, and the sum of deviations from the mean per group."""
    items = np.asarray(values, dtype=np.float64)
    if not len(items) or len(items) != len(groups) or not np.isfinite(items).all():
        raise ValueError(f"Expected finite values with one group each, had {len(items)} and {len(groups)}.")
    deviations: dict[Hashable, list[float]] = {}
    for value, group in zip(items - items.mean(), groups, strict=True):
        deviations.setdefault(group, []).append(float(value))
    return items, [math.fsum(members) for members in deviations.values()]


def _variance(items: npt.NDArray[np.float64], sums: Sequence[float]) -> float:
    count = len(sums)
    return math.fsum(total * total for total in sums) / len(items) ** 2 * count / (count - 1)
