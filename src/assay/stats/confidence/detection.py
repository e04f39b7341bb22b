"""How well a score tells known items from strangers."""

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


@dataclass(frozen=True)
class Detection:
    """Known items against strangers. Convention: known items are the positives, and a higher score is more known."""

    auroc: Effect
    """The chance that a known item scores above a stranger, a draw counting half; DeLong's interval."""
    fpr: Effect
    """The share of strangers still accepted where ACCEPTED of the known items are; lower is better."""
    threshold: float
    """The score from which up items are accepted for `fpr`."""


def detection(
    known: npt.ArrayLike, strangers: npt.ArrayLike, level: float = 0.95, *, paired: bool = False
) -> Detection:
    """AUROC, and the false positive rate at ACCEPTED of the known items accepted, of scores (n,) and (m,).

    Args:
        known: Scores of the positives.
        strangers: Scores of the others.
        level: Of the intervals.
        paired: Whether the nth of one side and the nth of the other belong together, such as two texts on one subject:
            the interval then counts how they vary together.

    Raises:
        ValueError: One side is empty, a score is not finite, or pairs are not as many on both sides.

    Source: Hanley and McNeil 1982 (AUROC as a rank statistic); DeLong, DeLong and Clarke-Pearson 1988, equation 5
    (its variance); Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data" (pairs: clusters of one
    each); FPR at 95 % TPR: Hendrycks and Gimpel 2017, Liang et al. 2018, section 4.2.
    """
    check_level(level)
    inside, outside = _column(known), _column(strangers)
    if paired and len(inside) != len(outside):
        raise ValueError(f"Pairs need as many on both sides, had {len(inside)} and {len(outside)}.")
    line = threshold(inside, ACCEPTED)
    accepted = int((outside >= line).sum())
    return Detection(_auroc(inside, outside, level, paired=paired), wilson(accepted, len(outside), level), line)


def threshold(known: npt.ArrayLike, accepted: float = ACCEPTED) -> float:
    """The highest score from which up at least a share `accepted` of the known items is accepted.

    Raises:
        ValueError: There is none, or `accepted` is not above 0 and at most 1.
    """
    scores = np.sort(_column(known))
    if not 0 < accepted <= 1:
        raise ValueError(f"A share to accept is above 0 and at most 1, was {accepted}.")
    needed = math.ceil(round(accepted * len(scores), 9))
    return float(scores[len(scores) - needed])


def _auroc(inside: Floats, outside: Floats, level: float, *, paired: bool) -> Effect:
    below = _fraction_below(inside, outside)  # of strangers, for each known item
    above = 1 - _fraction_below(outside, inside)  # of known items, for each stranger
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
    """For each of `scores`, the fraction of `others` below it, equal ones counting half (DeLong's placement values)."""
    fractions: Floats = (rankdata([*scores, *others])[: len(scores)] - rankdata(scores)) / len(others)
    return fractions


def _column(scores: npt.ArrayLike) -> Floats:
    column = np.asarray(scores, dtype=np.float64)
    if column.ndim != 1 or not len(column) or not np.isfinite(column).all():
        raise ValueError(f"Scores must be finite and (n,) with n >= 1, had shape {column.shape}.")
    return column
