"""Means of items that come in groups, such as all pairs of a prompt: what is alike within a group counts less."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson


def grouped_mean(values: Sequence[float], groups: Sequence[Hashable], level: float = 0.95) -> Effect:
    """The mean over items, with an interval as wide as the groups warrant; `n` counts items.

    No interval where there is one group only.

    Raises:
        ValueError: There are no values, they are not finite, or not as many as groups.

    Source: Miller 2024, "Adding error bars to evals", section 2.2, equation 4 (clustered standard errors), times
    G / (G - 1) for G groups and with Student's t of G - 1 degrees of freedom: Cameron and Miller 2015, "A
    practitioner's guide to cluster-robust inference", section VI.
    """
    check_level(level)
    found, sums = _checked(values, groups)
    mean, count = float(found.mean()), len(sums)
    if count < 2:
        return Effect(mean, None, None, len(found), level, "mean of one group")
    half = float(t.ppf(0.5 + level / 2, count - 1)) * math.sqrt(_variance(found, sums))
    return Effect(mean, mean - half, mean + half, len(found), level, "clustered t")


def grouped_proportion(right: Sequence[float], groups: Sequence[Hashable], level: float = 0.95) -> Effect:
    """The share of items that are right, by Wilson's interval for as many items as the groups are worth.

    An item may be half right. The items are worth one for each group at least and all of them at most. Where all are
    right, or none, nothing tells how alike those of a group are, and each group counts as one.

    Raises:
        ValueError: As `grouped_mean`.

    Source: Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", section 2 (the effective sample size), with Wilson's interval for Clopper-Pearson's.
    """
    check_level(level)
    found, sums = _checked([float(one) for one in right], groups)
    share, count = float(found.mean()), len(sums)
    variance = _variance(found, sums) if count > 1 else 0.0
    worth = count if variance == 0 else min(len(found), max(count, round(share * (1 - share) / variance)))
    return replace(wilson(share * worth, worth, level), n=len(found), method="wilson, clustered")


def _checked(values: Sequence[float], groups: Sequence[Hashable]) -> tuple[npt.NDArray[np.float64], list[float]]:
    """The values, and by group the sum of what each is off the mean."""
    found = np.asarray(values, dtype=np.float64)
    if not len(found) or len(found) != len(groups) or not np.isfinite(found).all():
        raise ValueError(f"A mean needs finite values, each with its group, had {len(found)} and {len(groups)}.")
    off: dict[Hashable, list[float]] = {}
    for value, group in zip(found - found.mean(), groups, strict=True):
        off.setdefault(group, []).append(float(value))
    return found, [math.fsum(members) for members in off.values()]


def _variance(found: npt.NDArray[np.float64], sums: Sequence[float]) -> float:
    count = len(sums)
    return math.fsum(one * one for one in sums) / len(found) ** 2 * count / (count - 1)
