"""What is gained by keeping silent when unsure: the share of wrong answers among those that are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000
AT = (1.0, 0.8, 0.5, 0.2)
"""Coverages at which a curve is read off."""


@dataclass(frozen=True)
class RiskCoveragePoint:
    """Answering the surest part alone."""

    coverage: float
    """Share that is answered, 0 to 1."""
    risk: Effect
    """Share of wrong ones among them."""


@dataclass(frozen=True)
class RiskCoverage:
    """The curve, and what it comes to."""

    coverage: tuple[float, ...]
    """From the surest item on: 1 / n, 2 / n, ..., 1."""
    risk: tuple[float, ...]
    """Share of wrong ones among that many; of equally sure ones, the mean over their orders."""
    area: Effect
    """AURC, the mean of `risk`: of a confidence that says nothing, the share of all that are wrong. Lower is better."""
    best: float
    """What the area would be if every wrong answer were less sure than every right one."""
    gain: Effect
    """The share of wrong ones less the area: above 0, silence when unsure spares errors."""
    points: tuple[RiskCoveragePoint, ...]
    """At coverages of `AT`."""


@dataclass(frozen=True)
class AbstentionCurve:
    """What keeping silent when unsure spares, read off at places: a curve as a page draws it."""

    coverage: tuple[float, ...]
    """At most `PLACES`, evenly over the items, from the surest tenth to 1."""
    risk: tuple[float, ...]
    points: tuple[RiskCoveragePoint, ...]
    """At coverages of `AT`."""


PLACES = 100


def abstention_curve(confidence: npt.ArrayLike, right: npt.ArrayLike, *, level: float = 0.95) -> AbstentionCurve:
    """As `risk_coverage`, without its areas, and small however many items there are.

    The surest tenth is left out, where the curve jumps with every item.

    Raises:
        ValueError: As `risk_coverage`.
    """
    sure, good = _checked(confidence, right, level)
    risk = _risks(sure, 1 - good)
    n = len(risk)
    first = max(1, n // 10)
    places = sorted({round(at) for at in np.linspace(first, n, min(PLACES, n - first + 1))})
    points = tuple(_point(share, risk, level) for share in AT)
    return AbstentionCurve(tuple(at / n for at in places), tuple(float(risk[at - 1]) for at in places), points)


def risk_coverage(
    confidence: npt.ArrayLike, right: npt.ArrayLike, *, seed: int = 0, level: float = 0.95
) -> RiskCoverage:
    """The risk-coverage curve of n answers, with percentile bootstraps over items.

    Shapes: (n,) each; `confidence` on any scale, the higher the surer; `right` 1 or 0.

    Raises:
        ValueError: The shapes differ, there is nothing, a confidence is not finite, or `right` is not 0 or 1.

    Source: El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017, section 2; the area and its best: Geifman, Uziel and
    El-Yaniv 2019, section 2 (AURC, E-AURC).
    """
    sure, good = _checked(confidence, right, level)
    n = len(sure)
    risk = _risks(sure, 1 - good)
    rng = np.random.default_rng(seed)
    draws = [_drawn(sure, good, rng.integers(0, n, n)) for _ in range(RESAMPLES)] if n > 1 else []
    area = _effect(float(risk.mean()), [one for one, _ in draws], n, level)
    gain = _effect(float(1 - good.mean() - risk.mean()), [other for _, other in draws], n, level)
    points = tuple(_point(share, risk, level) for share in AT)
    coverage = tuple(float(nth) for nth in np.arange(1, n + 1) / n)
    return RiskCoverage(coverage, tuple(map(float, risk)), area, _best(good), gain, points)


def _checked(confidence: npt.ArrayLike, right: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    check_level(level)
    sure, good = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != good.shape or not len(sure):
        raise ValueError(f"Confidences and answers must be (n,) with n >= 1, were {sure.shape} and {good.shape}.")
    if not np.isfinite(sure).all() or not np.isin(good, (0.0, 1.0)).all():
        raise ValueError("Confidences must be finite, and answers right, 1, or wrong, 0.")
    return sure, good


def _risks(sure: Floats, wrong: Floats) -> Floats:
    """(n,) of the surest 1, 2, ..., n; of equally sure ones each counts for the mean of all of them."""
    order = np.argsort(-sure, kind="stable")
    ordered = wrong[order]
    _, starts, counts = np.unique(-sure[order], return_index=True, return_counts=True)
    means = np.add.reduceat(ordered, starts) / counts
    found: Floats = np.cumsum(np.repeat(means, counts)) / np.arange(1, len(sure) + 1)
    return found


def _drawn(sure: Floats, good: Floats, picked: npt.NDArray[np.int64]) -> tuple[float, float]:
    area = float(_risks(sure[picked], 1 - good[picked]).mean())
    return area, float(1 - good[picked].mean()) - area


def _best(good: Floats) -> float:
    return float(_risks(good, 1 - good).mean())


def _effect(estimate: float, draws: Sequence[float], n: int, level: float) -> Effect:
    method = f"bootstrap over {n} items, {RESAMPLES} resamples"
    if not draws:
        return Effect(estimate, None, None, n, level, method)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, min(float(low), estimate), max(float(high), estimate), n, level, method)


def _point(share: float, risk: Floats, level: float) -> RiskCoveragePoint:
    """Of the surest `share`, rounded up; Wilson's interval of that many, as if the line had been drawn elsewhere."""
    count = max(1, math.ceil(round(share * len(risk), 9)))
    wrong = min(float(count), max(0.0, float(risk[count - 1]) * count))
    return RiskCoveragePoint(count / len(risk), wilson(wrong, count, level))
