"""Risk-coverage curve of selective prediction (El-Yaniv and Wiener 2010)."""

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
COVERAGES = (1.0, 0.8, 0.5, 0.2)
"""Coverages of the reported points."""


@dataclass(frozen=True)
class RiskCoveragePoint:
    """Point of a risk-coverage curve."""

    coverage: float
    """Fraction of answered items, 0 to 1."""
    risk: Effect
    """Error rate of the answered items."""


@dataclass(frozen=True)
class RiskCoverage:
    """Risk-coverage curve with its area."""

    coverage: tuple[float, ...]
    """1 / n, 2 / n, ..., 1, by decreasing confidence."""
    risk: tuple[float, ...]
    """Error rate at each coverage; ties in confidence are averaged over their orders."""
    area: Effect
    """AURC, the mean of `risk`; equals the error rate for uninformative confidence. Lower is better."""
    best: float
    """AURC of a perfect confidence ranking."""
    gain: Effect
    """Error rate minus AURC; above 0 if abstention reduces errors."""
    points: tuple[RiskCoveragePoint, ...]
    """Points at `COVERAGES`."""


@dataclass(frozen=True)
class AbstentionCurve:
    """Downsampled risk-coverage curve for plots."""

    coverage: tuple[float, ...]
    """At most `MAX_CURVE_POINTS` evenly spaced coverages from 0.1 to 1."""
    risk: tuple[float, ...]
    points: tuple[RiskCoveragePoint, ...]
    """Points at `COVERAGES`."""


MAX_CURVE_POINTS = 100


def abstention_curve(confidence: npt.ArrayLike, right: npt.ArrayLike, *, level: float = 0.95) -> AbstentionCurve:
    """Downsampled risk-coverage curve, without areas.

    Coverages below 0.1 are omitted, because the curve is noisy there.

    Raises:
        ValueError: As `risk_coverage`.
    """
    scores, correct = _validated(confidence, right, level)
    risk = _risks(scores, 1 - correct)
    n = len(risk)
    first = max(1, n // 10)
    places = sorted({round(at) for at in np.linspace(first, n, min(MAX_CURVE_POINTS, n - first + 1))})
    points = tuple(_point(at, risk, level) for at in COVERAGES)
    return AbstentionCurve(tuple(at / n for at in places), tuple(float(risk[at - 1]) for at in places), points)


def risk_coverage(
    confidence: npt.ArrayLike, right: npt.ArrayLike, *, seed: int = 0, level: float = 0.95
) -> RiskCoverage:
    """Risk-coverage curve of n answers, with percentile bootstrap intervals over items.

    Shapes: (n,) each; `confidence` on any scale, higher is more confident; `right` is 1 or 0.

    Raises:
        ValueError: Different shapes, no items, a confidence that is not finite, or `right` is not 0 or 1.

    Source: El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017, section 2; AURC and its optimum: Geifman, Uziel and
    El-Yaniv 2019, section 2 (AURC, E-AURC).
    """
    scores, correct = _validated(confidence, right, level)
    n = len(scores)
    risk = _risks(scores, 1 - correct)
    rng = np.random.default_rng(seed)
    draws = [_resample(scores, correct, rng.integers(0, n, n)) for _ in range(RESAMPLES)] if n > 1 else []
    area = _effect(float(risk.mean()), [area_draw for area_draw, _ in draws], n, level)
    gain = _effect(float(1 - correct.mean() - risk.mean()), [gain_draw for _, gain_draw in draws], n, level)
    points = tuple(_point(at, risk, level) for at in COVERAGES)
    coverage = tuple(float(nth) for nth in np.arange(1, n + 1) / n)
    return RiskCoverage(coverage, tuple(map(float, risk)), area, _best(correct), gain, points)


def _validated(confidence: npt.ArrayLike, right: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    check_level(level)
    scores, correct = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != correct.shape or not len(scores):
        raise ValueError(f"confidence and right must be (n,) with n >= 1, were {scores.shape} and {correct.shape}.")
    if not np.isfinite(scores).all() or not np.isin(correct, (0.0, 1.0)).all():
        raise ValueError("confidence must be finite, and right must be 0 or 1.")
    return scores, correct


def _risks(scores: Floats, wrong: Floats) -> Floats:
    """(n,) error rates of the 1, 2, ..., n most confident items; ties in confidence have their mean error."""
    order = np.argsort(-scores, kind="stable")
    ordered = wrong[order]
    _, starts, counts = np.unique(-scores[order], return_index=True, return_counts=True)
    means = np.add.reduceat(ordered, starts) / counts
    risks: Floats = np.cumsum(np.repeat(means, counts)) / np.arange(1, len(scores) + 1)
    return risks


def _resample(scores: Floats, correct: Floats, items: npt.NDArray[np.int64]) -> tuple[float, float]:
    area = float(_risks(scores[items], 1 - correct[items]).mean())
    return area, float(1 - correct[items].mean()) - area


def _best(correct: Floats) -> float:
    return float(_risks(correct, 1 - correct).mean())


def _effect(estimate: float, draws: Sequence[float], n: int, level: float) -> Effect:
    method = f"bootstrap over {n} items, {RESAMPLES} resamples"
    if not draws:
        return Effect(estimate, None, None, n, level, method)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, min(float(low), estimate), max(float(high), estimate), n, level, method)


def _point(coverage: float, risk: Floats, level: float) -> RiskCoveragePoint:
    """Point at `coverage`, rounded up, with Wilson's interval for a fixed threshold."""
    count = max(1, math.ceil(round(coverage * len(risk), 9)))
    wrong = min(float(count), max(0.0, float(risk[count - 1]) * count))
    return RiskCoveragePoint(count / len(risk), wilson(wrong, count, level))
