"""Clustering of vectors, effective number of clusters, and Vendi score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ROUNDS = 50
"""Maximum k-means iterations."""
BLOCK = 4096
"""Rows per block of similarities to all centers."""


@dataclass(frozen=True)
class Clusters:
    """Clustering of n vectors into k clusters."""

    of: Ints
    """(n,) cluster of each row, 0 to k - 1."""
    centers: npt.NDArray[np.float32]
    """(k, d), unit length."""

    def nearest(self, vectors: npt.ArrayLike) -> Ints:
        """Clusters of other vectors, (m, d) to (m,)."""
        return _nearest(_unit(vectors), self.centers)


def clusters(vectors: npt.ArrayLike, count: int, seed: int = 0) -> Clusters:
    """Spherical k-means: rows are assigned to the center with the highest cosine.

    Shape: (n, d). At most as many clusters as distinct rows. Initialized by k-means++ with `seed`; deterministic for
    the same rows in the same order on one machine.

    scikit-learn's KMeans is not equivalent: its centers are not normalized, and its initialization differs.

    Raises:
        ValueError: `count` is below 1.

    Source: Dhillon and Modha 2001, "Concept decompositions for large sparse text data", section 2.3; Arthur and
    Vassilvitskii 2007, "k-means++", section 2.2.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, was {count}.")
    rows = _unit(vectors)
    if not len(rows):
        return Clusters(np.empty(0, np.int64), np.empty((0, rows.shape[1]), np.float32))
    centers = _begin(rows, count, np.random.default_rng(seed))
    of = _nearest(rows, centers)
    for _ in range(ROUNDS):
        centers = _means(rows, of, centers)
        moved = _nearest(rows, centers)
        if (moved == of).all():
            break
        of = moved
    return Clusters(of, centers)


def effective_clusters(groups: npt.ArrayLike) -> float:
    """Effective number of clusters: the exponential of the Shannon entropy.

    Shape: (n,) cluster of each item. 0 without items. Plug-in estimate, biased low for few items.

    Source: Hill 1973, "Diversity and evenness", order 1.
    """
    counts = np.unique(np.asarray(groups), return_counts=True)[1].astype(np.float64)
    return _hill(counts / counts.sum()) if len(counts) else 0.0


def vendi(vectors: npt.ArrayLike) -> float:
    """Vendi score with cosine similarity: effective number of distinct items.

    Shape: (n, d). Between 1 (all equal) and min(n, d); 0 without items. Computed from the smaller of the n x n and d x
    d matrices, which have the same nonzero eigenvalues.

    Source: Friedman and Dieng 2023, "The Vendi Score", definition 3.1 and section 3.3 (embeddings).
    """
    rows = _unit(vectors).astype(np.float64)
    if not len(rows):
        return 0.0
    matrix = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
    shares: Floats = np.linalg.eigvalsh(matrix / len(rows)).astype(np.float64)
    return _hill(shares[shares > 1e-12])


def _hill(shares: Floats) -> float:
    return math.exp(-math.fsum((shares * np.log(shares)).tolist()))


def _unit(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64)) if len(np.asarray(vectors)) else np.empty((0, 0))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (rows / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    return unit


def _begin(rows: npt.NDArray[np.float32], count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """k-means++ initialization: rows drawn with probability proportional to the squared distance to earlier ones."""
    first = int(rng.integers(len(rows)))
    chosen = [first]
    apart = _apart(rows, rows[first])
    while len(chosen) < count and apart.max() > 1e-6:
        place = int(np.searchsorted(np.cumsum(apart), rng.random() * apart.sum(), side="right"))
        place = min(place, int(np.flatnonzero(apart)[-1]))
        chosen.append(place)
        apart = np.minimum(apart, _apart(rows, rows[place]))
    return rows[chosen]


def _apart(rows: npt.NDArray[np.float32], center: npt.NDArray[np.float32]) -> Floats:
    """Half the squared distance of unit vectors; 0 below float32 precision."""
    gap = 1.0 - (rows @ center).astype(np.float64)
    if not center.any():  # zero rows are equal, although they have no direction
        gap[~rows.any(axis=1)] = 0.0
    return np.where(gap > 1e-6, gap, 0.0)


def _nearest(rows: npt.NDArray[np.float32], centers: npt.NDArray[np.float32]) -> Ints:
    """Center with the highest cosine; the first of equals."""
    nearest = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), BLOCK):
        nearest[start : start + BLOCK] = (rows[start : start + BLOCK] @ centers.T).argmax(axis=1)
    return nearest


def _means(rows: npt.NDArray[np.float32], of: Ints, centers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean direction of each cluster; empty clusters keep their center."""
    order = np.argsort(of, kind="stable")
    full, starts = np.unique(of[order], return_index=True)
    means = centers.copy()
    means[full] = _unit(np.add.reduceat(rows[order], starts, axis=0))
    return means
