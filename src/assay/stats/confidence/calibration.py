"""Calibration of classifiers (ECE, NLL, Brier score) and temperature scaling."""

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
MAX_TEMPERATURE = 100.0
"""Temperatures are searched from 1 / MAX_TEMPERATURE to MAX_TEMPERATURE."""


@dataclass(frozen=True)
class Bin:
    """Bin of the reliability diagram."""

    confidence: float
    """Mean confidence, 0 to 1."""
    accuracy: float
    """Accuracy, 0 to 1."""
    n: int


@dataclass(frozen=True)
class Calibration:
    """Calibration metrics."""

    ece: float
    """Expected calibration error, 0 to 1."""
    nll: float
    """Mean negative log-likelihood of the correct label, in nats."""
    brier: float
    """Mean squared distance to the one-hot label, 0 to 2."""
    bins: tuple[Bin, ...]
    """Reliability diagram: bins of equal size by increasing confidence."""
    n: int


def calibration(logits: npt.ArrayLike, targets: npt.ArrayLike, bins: int = BINS) -> Calibration:
    """Calibration of the softmax of `logits` (n, labels) against `targets` (n,), indices of the correct labels.

    Bins have equal mass; the classic ECE has bins of equal width, most of them empty for an accurate model. Items of
    equal confidence may be in two bins, in input order.

    Raises:
        ValueError: Shapes do not match, no items, or an invalid target.

    Source: Guo et al. 2017, equations 2 to 4; equal mass: Nixon et al. 2019, "Measuring Calibration in Deep Learning",
    section 3.2 (the form over the most probable label).
    """
    scores, right = _validated(logits, targets)
    logs = log_softmax(scores, axis=1)
    probabilities = np.exp(logs)
    confidence, correct = probabilities.max(axis=1), (probabilities.argmax(axis=1) == right).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    diagram = tuple(Bin(float(confidence[p].mean()), float(correct[p].mean()), len(p)) for p in parts)
    ece = sum(abs(b.confidence - b.accuracy) * b.n for b in diagram) / len(right)
    picked = logs[np.arange(len(right)), right]
    brier = (probabilities**2).sum(axis=1) - 2 * np.exp(picked) + 1
    return Calibration(float(ece), float(-picked.mean()), float(brier.mean()), diagram, len(right))


def temperature(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Temperature scaling: the divisor of logits that minimizes the NLL; above 1 if the model is overconfident.

    Shapes as in `calibration`. The NLL is convex in 1 / temperature. Fit on validation items, not on reported ones.
    Predictions do not change, only their confidence.

    Raises:
        ValueError: As `calibration`.

    Source: Guo et al. 2017, section 4.2.
    """
    scores, right = _validated(logits, targets)
    picked = scores[np.arange(len(right)), right]

    def loss(log_inverse: float) -> float:
        inverse = math.exp(log_inverse)
        return float((logsumexp(scores * inverse, axis=1) - picked * inverse).mean())

    edge = math.log(MAX_TEMPERATURE)
    optimum = minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6})
    return math.exp(-float(optimum.x))


def _validated(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Floats, Ints]:
    scores, right = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if scores.ndim != 2 or right.shape != scores.shape[:1] or not len(right):
        raise ValueError(f"Expected logits (n, labels) and n targets, had {scores.shape} and {right.shape}.")
    if not np.isfinite(scores).all():
        raise ValueError("Logits must be finite.")
    if not ((right >= 0) & (right < scores.shape[1])).all():
        raise ValueError(f"Targets must be indices of {scores.shape[1]} labels.")
    return scores, right.astype(np.int64)
