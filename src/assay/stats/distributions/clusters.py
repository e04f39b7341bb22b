"""Groups of vectors, and how many of them a set really fills."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ROUNDS = 50
"""Of k-means, at most; what is left unsettled then moves few rows."""
BLOCK = 4096
"""Rows whose products with all centers are held at once."""


@dataclass(frozen=True)
class Clusters:
    """n vectors in k groups."""

    of: Ints
    """(n,) the number of each row's group, 0 to k - 1."""
    centers: npt.NDArray[np.float32]
    """(k, d), each of length 1."""

    def nearest(self, vectors: npt.ArrayLike) -> Ints:
        """(m,) the group of other vectors (m, d)."""
        return _nearest(_unit(vectors), self.centers)


def clusters(vectors: npt.ArrayLike, count: int, seed: int = 0) -> Clusters:
    """Spherical k-means: each row goes to the center with which it has the highest cosine.

    Shape: (n, d). There are as many groups as there are different rows, where those are fewer. Begins by k-means++ with
    `seed`, and is the same for the same rows in the same order on one machine: sort them by something of theirs.

    scikit-learn's KMeans does not replace this: its centers keep the length of their mean, so that a row may go to
    another center than the one with the highest cosine, and it draws other first centers.

    Raises:
        ValueError: `count` is below 1.

    Source: Dhillon and Modha 2001, "Concept decompositions for large sparse text data", section 2.3; Arthur and
    Vassilvitskii 2007, "k-means++", section 2.2.
    """
    if count < 1:
        raise ValueError(f"Vectors must be put into 1 group or more, was {count}.")
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
    """How many equally full groups would be as varied as these: the exponential of Shannon's entropy.

    Shape: (n,) the group of each item. 0 of no items. The plain estimate: too low where items are few.

    Source: Hill 1973, "Diversity and evenness", order 1.
    """
    counts = np.unique(np.asarray(groups), return_counts=True)[1].astype(np.float64)
    return _hill(counts / counts.sum()) if len(counts) else 0.0


def vendi(vectors: npt.ArrayLike) -> float:
    """How many altogether different items would be as varied as these: the Vendi score with cosines for likeness.

    Shape: (n, d). 1 where all are alike, at most the lesser of n and d; 0 of none. The n x n matrix of cosines has the
    eigenvalues of the d x d one, which stays small.

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
    found: npt.NDArray[np.float32] = (rows / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    return found


def _begin(rows: npt.NDArray[np.float32], count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Rows far from one another, drawn by the square of their distance to those drawn before."""
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
    """The square of the distance of unit vectors, half of it; nothing below the last bits of 32."""
    gap = 1.0 - (rows @ center).astype(np.float64)
    if not center.any():  # rows of nothing but zeros are alike, though they have no direction
        gap[~rows.any(axis=1)] = 0.0
    return np.where(gap > 1e-6, gap, 0.0)


def _nearest(rows: npt.NDArray[np.float32], centers: npt.NDArray[np.float32]) -> Ints:
    """The center with the highest cosine; of equals the first."""
    found = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), BLOCK):
        found[start : start + BLOCK] = (rows[start : start + BLOCK] @ centers.T).argmax(axis=1)
    return found


def _means(rows: npt.NDArray[np.float32], of: Ints, centers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean direction of each group; a group that has lost all its rows stays where it was."""
    order = np.argsort(of, kind="stable")
    full, starts = np.unique(of[order], return_index=True)
    found = centers.copy()
    found[full] = _unit(np.add.reduceat(rows[order], starts, axis=0))
    return found
