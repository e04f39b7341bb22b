"""Does a model that says 90 % come out right nine times in ten, and can one number mend it?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BINS = 15
HOTTEST = 100.0
"""Temperatures are looked for from 1 / HOTTEST to HOTTEST."""


@dataclass(frozen=True)
class Bin:
    """Items of like confidence."""

    confidence: float
    """Mean of what the model said of its answers, 0 to 1."""
    accuracy: float
    """Share of them that were right."""
    n: int


@dataclass(frozen=True)
class Calibration:
    """How far confidence lies from accuracy."""

    ece: float
    """Expected calibration error, 0 to 1."""
    nll: float
    """Mean negative log-likelihood of the right label, in nats."""
    brier: float
    """Mean squared distance to the one-hot label, 0 to 2."""
    bins: tuple[Bin, ...]
    """From the least confident to the most, equally many items in each: the reliability diagram."""
    n: int


def calibration(logits: npt.ArrayLike, targets: npt.ArrayLike, bins: int = BINS) -> Calibration:
    """Calibration of the softmax of `logits` (n, labels) against `targets` (n,), the indices of the right labels.

    Bins hold equally many items (sizes differ by one at most), where the classic ECE has bins of equal width, most of
    them empty for a good model. Items of equal confidence may fall into two bins; their order is that given.

    Raises:
        ValueError: Shapes do not fit, there is no item, or a target is no label.

    Source: Guo et al. 2017, equations 2 to 4; equal mass: Nixon et al. 2019, "Measuring Calibration in Deep Learning",
    section 3.2 (the form over the most probable label).
    """
    scores, right = _checked(logits, targets)
    logs = log_softmax(scores, axis=1)
    shares = np.exp(logs)
    confidence, correct = shares.max(axis=1), (shares.argmax(axis=1) == right).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    found = tuple(Bin(float(confidence[p].mean()), float(correct[p].mean()), len(p)) for p in parts)
    ece = sum(abs(one.confidence - one.accuracy) * one.n for one in found) / len(right)
    picked = logs[np.arange(len(right)), right]
    brier = (shares**2).sum(axis=1) - 2 * np.exp(picked) + 1
    return Calibration(float(ece), float(-picked.mean()), float(brier.mean()), found, len(right))


def temperature(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """The number to divide logits by so that their softmax is calibrated best: above 1 where a model is too sure.

    Shapes as in `calibration`. Minimises the negative log-likelihood, which is convex in 1 / temperature. Fit it on
    validation items, never on those that are reported. Answers never change, only how sure they sound.

    Raises:
        ValueError: As `calibration`.

    Source: Guo et al. 2017, section 4.2.
    """
    scores, right = _checked(logits, targets)
    picked = scores[np.arange(len(right)), right]

    def loss(log_inverse: float) -> float:
        inverse = math.exp(log_inverse)
        return float((logsumexp(scores * inverse, axis=1) - picked * inverse).mean())

    edge = math.log(HOTTEST)
    found = minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6})
    return math.exp(-float(found.x))


def _checked(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Floats, Ints]:
    scores, right = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if scores.ndim != 2 or right.shape != scores.shape[:1] or not len(right):
        raise ValueError(f"Needed: logits (n, labels) and n targets, had {scores.shape} and {right.shape}.")
    if not np.isfinite(scores).all():
        raise ValueError("Logits must be finite.")
    if not ((right >= 0) & (right < scores.shape[1])).all():
        raise ValueError(f"Targets must be indices of {scores.shape[1]} labels.")
    return scores, right.astype(np.int64)
