"""Detection by score: AUROC, false positive rate, and thresholds with a bounded false positive rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson

Floats = npt.NDArray[np.float64]
ACCEPTED = 0.95
"""True positive rate of the reported false positive rate."""


@dataclass(frozen=True)
class Detection:
    """AUROC and FPR; in-distribution items are the positives and have higher scores."""

    auroc: Effect
    """Probability that an in-distribution item scores above an OOD item, ties half; DeLong's interval."""
    fpr: Effect
    """Fraction of OOD items accepted at a true positive rate of ACCEPTED; lower is better."""
    threshold: float
    """Lowest accepted score for `fpr`."""


def detection(
    positives: npt.ArrayLike, negatives: npt.ArrayLike, level: float = 0.95, *, paired: bool = False
) -> Detection:
    """AUROC, and the false positive rate at a true positive rate of ACCEPTED, of scores (n,) and (m,).

    Args:
        positives: Scores of the positives (in-distribution).
        negatives: Scores of the negatives (OOD).
        level: Confidence level of the intervals.
        paired: Whether the nth positive and the nth negative are paired, such as two texts on one subject; the interval
            then includes their covariance.

    Raises:
        ValueError: An empty side, a score that is not finite, or pairs of different numbers.

    Source: Hanley and McNeil 1982 (AUROC as a rank statistic); DeLong, DeLong and Clarke-Pearson 1988, equation 5
    (its variance); Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data" (pairs: clusters of one
    each); FPR at 95 % TPR: Hendrycks and Gimpel 2017, Liang et al. 2018, section 4.2.
    """
    check_level(level)
    inside, outside = _validated_scores(positives), _validated_scores(negatives)
    if paired and len(inside) != len(outside):
        raise ValueError(f"Paired scores must have the same length, had {len(inside)} and {len(outside)}.")
    lowest = threshold(inside, ACCEPTED)
    accepted = int((outside >= lowest).sum())
    return Detection(_auroc(inside, outside, level, paired=paired), wilson(accepted, len(outside), level), lowest)


def threshold(positives: npt.ArrayLike, accepted: float = ACCEPTED) -> float:
    """Highest threshold that accepts at least the fraction `accepted` of the positives.

    Raises:
        ValueError: No scores, or `accepted` is outside (0, 1].
    """
    scores = np.sort(_validated_scores(positives))
    if not 0 < accepted <= 1:
        raise ValueError(f"accepted must be above 0 and at most 1, was {accepted}.")
    needed = math.ceil(round(accepted * len(scores), 9))
    return float(scores[len(scores) - needed])


def _auroc(inside: Floats, outside: Floats, level: float, *, paired: bool) -> Effect:
    below = _fraction_below(inside, outside)  # fraction of negatives, for each positive
    above = 1 - _fraction_below(outside, inside)  # fraction of positives, for each negative
    estimate = float(below.mean())
    n = len(inside) + len(outside)
    method = "delong, of pairs" if paired else "delong"
    if min(len(inside), len(outside)) < 2:
        return Effect(estimate, None, None, n, level, method)
    variance = below.var(ddof=1) / len(inside) + above.var(ddof=1) / len(outside)
    if paired:
        variance += 2 * float(np.cov(below, above, ddof=1)[0, 1]) / len(inside)
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(max(0.0, float(variance)))
    return Effect(estimate, max(0.0, estimate - half), min(1.0, estimate + half), n, level, method)


def _fraction_below(scores: Floats, others: Floats) -> Floats:
    """DeLong's placement values: for each of `scores`, the fraction of `others` below it, ties half."""
    fractions: Floats = (rankdata([*scores, *others])[: len(scores)] - rankdata(scores)) / len(others)
    return fractions


def _validated_scores(scores: npt.ArrayLike) -> Floats:
    column = np.asarray(scores, dtype=np.float64)
    if column.ndim != 1 or not len(column) or not np.isfinite(column).all():
        raise ValueError(f"Scores must be finite and (n,) with n >= 1, had shape {column.shape}.")
    return column


FOLDS = 10


@dataclass(frozen=True)
class FlaggingThreshold:
    """Threshold above which items are flagged, with its error rates."""

    at: float
    """Items with a strictly higher score are flagged."""
    share: float
    """Maximum false positive rate."""
    false: Effect
    """Cross-validated false positive rate."""
    found: Effect | None
    """True positive rate; None without positives."""


def minimum_items(max_fpr: float) -> int:
    """Number of negatives needed for a threshold with this false positive rate."""
    return math.ceil(round(1 / max_fpr, 9)) - 1


def conformal_threshold(negatives: npt.ArrayLike, max_fpr: float) -> float:
    """Conformal threshold: lowest score of the negatives (n,) that at most `max_fpr` of new negatives exceed.

    Valid for exchangeable new items of any distribution.

    Raises:
        ValueError: `max_fpr` is outside (0, 1), a score is not finite, or there are too few (`minimum_items`).

    Source: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World", proposition 4.1 (the rank of a
    new item among n + 1 is uniform).
    """
    scores = np.sort(np.asarray(negatives, dtype=np.float64))[::-1]
    if not 0 < max_fpr < 1:
        raise ValueError(f"The false positive rate must be above 0 and below 1, was {max_fpr}.")
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"Scores must be finite and (n,), had shape {scores.shape}.")
    allowed = math.floor(round(max_fpr * (len(scores) + 1), 9)) - 1
    if allowed < 0:
        raise ValueError(
            f"A false positive rate of {max_fpr:.3g} needs {minimum_items(max_fpr)} items, had {len(scores)}."
        )
    return float(scores[min(allowed, len(scores) - 1)])


def flagging_threshold(
    negatives: npt.ArrayLike, max_fpr: float, positives: npt.ArrayLike = (), *, seed: int = 0, level: float = 0.95
) -> FlaggingThreshold:
    """Conformal threshold for `negatives` (n,), with error rates on them and on `positives` (m,).

    The false positive rate is cross-validated with `FOLDS` folds, drawn by `seed`. Intervals are Wilson's.

    Raises:
        ValueError: As `conformal_threshold`, for the items outside a fold.
    """
    check_level(level)
    scores = np.asarray(negatives, dtype=np.float64)
    positive_scores = np.asarray(positives, dtype=np.float64)
    at = conformal_threshold(scores, max_fpr)
    folds = np.random.default_rng(seed).permutation(len(scores)) % FOLDS
    above = sum(
        int((scores[folds == fold] > conformal_threshold(scores[folds != fold], max_fpr)).sum())
        for fold in np.unique(folds)
    )
    true_positives = int((positive_scores > at).sum())
    tpr = wilson(true_positives, len(positive_scores), level) if len(positive_scores) else None
    return FlaggingThreshold(at, max_fpr, wilson(above, len(scores), level), tpr)
