"""Distances between two sets of feature vectors: KID, CMMD, density and coverage, nearest neighbors.

Descriptive only: they do not show whether generated data help. All depend on the features and the number of samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect

Floats = npt.NDArray[np.float64]
ROWS = 1024
"""Rows per block of a kernel or distance matrix."""
CMMD_SIGMA = 10.0
CMMD_SCALE = 1000.0


def kid(ours: npt.ArrayLike, theirs: npt.ArrayLike, *, subset: int = 1000, draws: int = 50, seed: int = 0) -> Effect:
    """Kernel inception distance of features (n, d) and (m, d): unbiased squared MMD with a cubic polynomial kernel.

    Mean over `draws` subsets of `subset` rows (or all rows) of each; the interval contains the middle 95 % of the
    subsets and is wider than that of the mean. May be negative.

    Raises:
        ValueError: Fewer than two rows on a side, or different numbers of columns.

    Source: Binkowski et al. 2018, section 3.2 (kernel) and 4.4 (subsets). They use Inception features;
    values are comparable only for the same features and n.
    """
    a, b = _pair(ours, theirs)
    size = min(subset, len(a), len(b))
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws if size < max(len(a), len(b)) else 1):
        x = a[rng.choice(len(a), size, replace=False)]
        y = b[rng.choice(len(b), size, replace=False)]
        values.append(_mmd2(x, y, _cubic))
    method = f"KID, {len(values)} subsets of {size}"
    if len(values) < 2:
        return Effect(values[0], None, None, size, 0.95, method)
    low, high = np.quantile(values, [0.025, 0.975])
    return Effect(float(np.mean(values)), float(low), float(high), size, 0.95, method)


def cmmd(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """CLIP maximum mean discrepancy of embeddings (n, d) and (m, d), rows of length 1: unbiased, times 1000.

    May be negative for similar sets. Comparable only for the same n and CLIP model.

    Raises:
        ValueError: As `kid`.

    Source: Jayasumana et al. 2024, "Rethinking FID", section 4 (Gaussian kernel, sigma 10). The official code computes
    the biased estimate, which is never below zero and grows as n falls; this one is unbiased.
    """
    a, b = _pair(ours, theirs)
    return CMMD_SCALE * _mmd2(a, b, _gaussian)


@dataclass(frozen=True)
class DensityCoverage:
    """Density and coverage of generated samples, with expected values for equal distributions."""

    density: float
    """Mean number of real neighborhoods that contain a generated sample, over k; may exceed 1."""
    coverage: float
    """Fraction of real samples whose neighborhood contains a generated sample, 0 to 1."""
    expected_density: float
    expected_coverage: float
    """Expected values of two sets of these sizes from one continuous distribution."""
    real: int
    generated: int
    k: int


def density_coverage(real: npt.ArrayLike, generated: npt.ArrayLike, k: int = 5) -> DensityCoverage:
    """Density and coverage of `generated` (m, d) by the k-nearest-neighbor balls of `real` (n, d).

    Raises:
        ValueError: At most k real rows, or different numbers of columns.

    Source: Naeem et al. 2020, equations 2 and 3 (official code: github.com/clovaai/generative-evaluation-prdc),
    appendix A for the expected values, here for any n and m.
    """
    a, b = _pair(real, generated)
    if not 1 <= k < len(a):
        raise ValueError(f"k must be between 1 and {len(a) - 1}, was {k}.")
    radii = np.concatenate([np.partition(part, k, axis=1)[:, k] for part in _squared_distances(a, a)])
    inside, covered = 0, np.zeros(len(a), dtype=bool)
    for part in _squared_distances(b, a):
        close = part < radii
        inside += int(close.sum())
        covered |= close.any(axis=0)
    n, m = len(a), len(b)
    # A real sample is not covered when its k nearest of the other n - 1 real and m generated are all real.
    missed = math.prod((n - nth) / (n + m - nth) for nth in range(1, k + 1))
    return DensityCoverage(inside / (k * m), float(covered.mean()), 1.0, 1 - missed, n, m, k)


def nearest_rows(rows: npt.ArrayLike, among: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Floats]:
    """Index and distance of the nearest of `among` (m, d) for each of `rows` (n, d); the first of equals."""
    a, b = _pair(rows, among, least=1)
    index, distance = [], []
    for part in _squared_distances(a, b):
        best = part.argmin(axis=1)
        index.append(best)
        distance.append(np.sqrt(part[np.arange(len(best)), best]))
    return np.concatenate(index), np.concatenate(distance)


def unit_rows(rows: npt.ArrayLike) -> Floats:
    """L2-normalized rows (n, d); zero rows stay zero."""
    matrix = np.asarray(rows, dtype=np.float64)
    unit: Floats = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return unit


def duplicate_rate(rows: npt.ArrayLike, similarity: float) -> float:
    """Fraction of rows (n, d) that have another row with a cosine of at least `similarity`, 0 to 1.

    Raises:
        ValueError: No rows.
    """
    unit = unit_rows(rows)
    if unit.ndim != 2 or not len(unit):
        raise ValueError(f"rows must be (n, d) with n >= 1, had {unit.shape}.")
    alike = 0
    for start in range(0, len(unit), ROWS):
        block = unit[start : start + ROWS] @ unit.T
        block[np.arange(len(block)), start + np.arange(len(block))] = -np.inf  # itself
        alike += int((block.max(axis=1) >= similarity).sum())
    return alike / len(unit)


def _pair(ours: npt.ArrayLike, theirs: npt.ArrayLike, least: int = 2) -> tuple[Floats, Floats]:
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < least:
        raise ValueError(f"Expected two sets of at least {least} rows of equal width, had {a.shape} and {b.shape}.")
    return a, b


def _squared_distances(a: Floats, b: Floats) -> Iterator[Floats]:
    """Squared distances in blocks of rows, clipped at zero."""
    lengths = (b**2).sum(axis=1)
    for start in range(0, len(a), ROWS):
        rows = a[start : start + ROWS]
        block = (rows**2).sum(axis=1)[:, None] + lengths - 2 * rows @ b.T
        yield np.maximum(block, 0.0)


def _cubic(a: Floats, b: Floats) -> Floats:
    kernel: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return kernel


def _gaussian(a: Floats, b: Floats) -> Floats:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    kernel: Floats = np.exp(-np.maximum(squared, 0.0) / (2 * CMMD_SIGMA**2))
    return kernel


def _mmd2(a: Floats, b: Floats, kernel: Callable[[Floats, Floats], Floats]) -> float:
    """Unbiased squared MMD (Gretton et al. 2012, equation 3), in blocks of rows."""
    within = []
    for side in (a, b):
        total = 0.0
        for start in range(0, len(side), ROWS):
            block = kernel(side[start : start + ROWS], side)
            total += float(block.sum()) - float(np.trace(block[:, start:]))
        within.append(total / (len(side) * (len(side) - 1)))
    across = sum(float(kernel(a[start : start + ROWS], b).sum()) for start in range(0, len(a), ROWS))
    return within[0] + within[1] - 2 * across / (len(a) * len(b))
