"""Paired bootstrap: difference of two models on the same items, with an interval and a p-value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level

Floats = npt.NDArray[np.float64]

_CELLS = 2_000_000
"""Maximum number of floats per block of resamples: 16 MB."""


@dataclass(frozen=True)
class PairedDifference:
    """Paired difference."""

    effect: Effect
    p: float | None
    """Two-sided: the smallest alpha whose interval excludes zero, at least 2 / (resamples + 1). None without an
    interval."""


def paired_bootstrap(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 10_000
) -> PairedDifference:
    """Mean of `ours` minus mean of `theirs`, with a bootstrap interval over items and training seeds.

    Shapes: (n_items,), or (n_seeds, n_items) for several trained models per arm; item i is the same on both sides, the
    numbers of seeds may differ. Values are outcomes such as 0 and 1, or scores.

    Items are resampled jointly for both sides and all seeds. Seeds are resampled independently per side: S - 1 of S
    seeds are drawn, so that the variance of their mean is s^2 / S. With one seed the interval does not include training
    variance; `method` states the number of seeds.

    Percentile intervals are too narrow for few seeds. The percentiles are therefore scaled away from the estimate by
    the ratio of Student's t to the normal quantile, with Welch-Satterthwaite degrees of freedom.

    `n` of the result counts items. Fewer than 2 items give no interval. Deterministic by seed.

    Raises:
        ValueError: Shapes do not match, a value is not finite, or no items.

    Source: Efron and Tibshirani 1993, chapter 13; both factors resampled: Owen 2007, "The pigeonhole bootstrap"
    (conservative in expectation); S - 1 of S: Rao and Wu 1988, section 2; degrees of freedom:
    Satterthwaite 1946, equation 17.
    """
    check_level(level)
    a, b = _matrix(ours), _matrix(theirs)
    if a.shape[1] != b.shape[1] or a.shape[1] == 0:
        raise ValueError(f"Both sides must have the same items, had {a.shape[1]} and {b.shape[1]}.")
    n = a.shape[1]
    estimate = float(a.mean() - b.mean())
    method = f"paired bootstrap over {n} items, {len(a)} against {len(b)} seeds, {resamples} resamples"
    if n < 2:
        return PairedDifference(Effect(estimate, None, None, n, level, method), None)
    rng = np.random.default_rng(seed)
    weights = np.hstack([_seed_weights(len(a), resamples, rng), -_seed_weights(len(b), resamples, rng)])
    draws = np.sort(np.einsum("rs,rs->r", _item_means(np.vstack([a, b]), resamples, rng), weights))
    freedom = _degrees_of_freedom(a, b, float(draws.var()))
    low, high = _interval(draws, estimate, freedom, 1 - level)
    return PairedDifference(Effect(estimate, low, high, n, level, method), _p_value(draws, estimate, freedom))


def _interval(draws: Floats, estimate: float, freedom: float, alpha: float) -> tuple[float, float]:
    """Percentiles of sorted `draws`, scaled away from the estimate by t over normal quantiles."""
    scale = float(stdtrit(freedom, 1 - alpha / 2) / ndtri(1 - alpha / 2)) if np.isfinite(freedom) else 1.0
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(estimate + (low - estimate) * scale), float(estimate + (high - estimate) * scale)


def _p_value(draws: Floats, estimate: float, freedom: float) -> float:
    """Smallest alpha whose interval excludes zero, by bisection."""
    least = 2 / (len(draws) + 1)
    below, above = least, 1 - 1e-9
    if not _contains_zero(_interval(draws, estimate, freedom, below)):
        return least
    if _contains_zero(_interval(draws, estimate, freedom, above)):
        return 1.0
    while above - below > 1e-6:
        middle = (below + above) / 2
        if _contains_zero(_interval(draws, estimate, freedom, middle)):
            below = middle
        else:
            above = middle
    return above


def _contains_zero(interval: tuple[float, float]) -> bool:
    return interval[0] <= 0 <= interval[1]


def _degrees_of_freedom(a: Floats, b: Floats, variance: float) -> float:
    """Welch-Satterthwaite degrees of freedom of `variance`, the variance of the difference of means.

    The variance between seeds includes item noise, which lowers the degrees of freedom: conservative.
    """
    between = [(float(side.mean(axis=1).var(ddof=1)) / len(side), len(side) - 1) for side in (a, b) if len(side) > 1]
    items = max(0.0, variance - sum(part for part, _ in between))
    parts = [*between, (items, a.shape[1] - 1)]
    whole = sum(part for part, _ in parts)
    spread = sum(part**2 / count for part, count in parts)
    return whole**2 / spread if spread > 0 else float("inf")


def _matrix(outcomes: npt.ArrayLike) -> Floats:
    """Convert (n_items,) or (n_seeds, n_items) to (n_seeds, n_items)."""
    matrix = np.atleast_2d(np.asarray(outcomes, dtype=np.float64))
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"Outcomes must be (n_items,) or (n_seeds, n_items), were {np.shape(outcomes)}.")
    if not np.isfinite(matrix).all():
        raise ValueError("Outcomes must be finite. Remove items that could not be evaluated from both sides.")
    return matrix


def _seed_weights(seeds: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Weights of seeds per resample, (resamples, seeds); rows sum to 1."""
    draws = max(seeds - 1, 1)
    return rng.multinomial(draws, np.full(seeds, 1 / seeds), size=resamples) / draws


def _item_means(outcomes: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Means of each row of `outcomes` (rows, n_items) over resampled items, (resamples, rows).

    Items with equal columns are interchangeable, so counts of unique columns are drawn: binary outcomes have few unique
    columns. Blocks bound the memory for real-valued outcomes.
    """
    patterns, counts = np.unique(outcomes, axis=1, return_counts=True)
    n = outcomes.shape[1]
    block = max(1, _CELLS // patterns.shape[1])
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    means = [rng.multinomial(n, counts / n, size=size) @ patterns.T / n for size in sizes]
    return np.concatenate(means)
