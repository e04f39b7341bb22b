"""OOD scores of classifiers: max logit, energy, kNN and ViM; higher is more in-distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from assay.stats.distributions.distances import unit_rows

Floats = npt.NDArray[np.float64]
ROWS = 1024
"""Items per block of distances to the bank."""


def max_logit(logits: npt.ArrayLike) -> Floats:
    """Largest logit of each row; (n, labels) to (n,). Source: Hendrycks et al. 2022, section 3."""
    scores: Floats = np.asarray(logits, dtype=np.float64).max(axis=1)
    return scores


def energy(logits: npt.ArrayLike) -> Floats:
    """Negative free energy at temperature 1, logsumexp of the logits; (n, labels) to (n,).

    Source: Liu et al. 2020, "Energy-based Out-of-distribution Detection", equation 4.
    """
    scores: Floats = logsumexp(np.asarray(logits, dtype=np.float64), axis=1)
    return scores


def knn_distance(features: npt.ArrayLike, bank: npt.ArrayLike, k: int) -> Floats:
    """Negative distance to the k-th nearest neighbor in `bank` (m, d) of each of `features` (n, d), L2-normalized.

    Raises:
        ValueError: The bank has fewer than k rows.

    Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors", section 3.
    """
    items, neighbors = unit_rows(features), unit_rows(bank)
    if not 1 <= k <= len(neighbors):
        raise ValueError(f"k must be between 1 and the {len(neighbors)} rows of the bank, was {k}.")
    parts = []
    for start in range(0, len(items), ROWS):
        cosines = items[start : start + ROWS] @ neighbors.T
        parts.append(np.partition(cosines, len(neighbors) - k, axis=1)[:, len(neighbors) - k])
    cosine = np.concatenate(parts) if parts else np.empty(0)
    scores: Floats = -np.sqrt(np.maximum(0.0, 2 - 2 * cosine))
    return scores


@dataclass(frozen=True)
class Vim:
    """Virtual-logit matching: energy minus the scaled residual norm outside the principal subspace."""

    origin: Floats
    residual: Floats
    """(d, d - dimensions): orthonormal basis of the residual subspace."""
    alpha: float
    """Scales the residual norm to the magnitude of a logit."""

    def __call__(self, features: npt.ArrayLike, logits: npt.ArrayLike) -> Floats:
        """(n, d) and (n, labels) to (n,)."""
        lengths = np.linalg.norm((np.asarray(features, dtype=np.float64) - self.origin) @ self.residual, axis=1)
        scores: Floats = energy(logits) - self.alpha * lengths
        return scores


def fit_vim(
    features: npt.ArrayLike, logits: npt.ArrayLike, weight: npt.ArrayLike, bias: npt.ArrayLike, dimensions: int
) -> Vim:
    """Fit `Vim` on in-distribution `features` (n, d), `logits`, and the last layer's weight (labels, d) and bias.

    `dimensions` of the principal subspace: see `principal_dimensions`.

    Raises:
        ValueError: `dimensions` is not between 1 and d - 1.

    Source: Wang et al. 2022, "ViM: Out-Of-Distribution with Virtual-logit Matching", section 4, and the official code
    (github.com/haoqiwang/vim, benchmark.py).
    """
    rows = np.asarray(features, dtype=np.float64)
    if not 1 <= dimensions < rows.shape[1]:
        raise ValueError(f"dimensions must be between 1 and {rows.shape[1] - 1}, was {dimensions}.")
    origin = -np.linalg.pinv(np.asarray(weight, dtype=np.float64)) @ np.asarray(bias, dtype=np.float64)
    centered = rows - origin
    # Centered at `origin`, not at the mean, as EmpiricalCovariance(assume_centered=True) in the official code.
    _, vectors = np.linalg.eigh(centered.T @ centered / len(centered))
    residual = vectors[:, ::-1][:, dimensions:]
    lengths = np.linalg.norm(centered @ residual, axis=1)
    alpha = float(max_logit(logits).mean() / max(float(lengths.mean()), 1e-12))
    return Vim(origin, residual, alpha)


def principal_dimensions(d: int) -> int:
    """Dimensions of ViM's principal subspace for `d` features, as in the paper."""
    return 1000 if d >= 1500 else 512 if d >= 768 else d // 2
