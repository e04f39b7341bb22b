"""How much better one model is than another on the same items, with an interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.intervals import check_level

Floats = npt.NDArray[np.float64]

_CELLS = 2_000_000
"""Most numbers held at once while resampling: 16 MB."""


def paired_bootstrap(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 10_000
) -> Effect:
    """The mean of `ours` minus the mean of `theirs`, with a percentile bootstrap interval over items.

    Shapes: (n_items,), or (n_seeds, n_items) where several models were trained for an arm; item i is the same item
    on both sides, the numbers of seeds may differ. Values are outcomes of any kind: 0 and 1, or a score.

    Items are drawn with replacement, once for both sides (paired) and for every seed (all seeds answer the same
    items). Seeds are drawn for each side on its own, because two trainings share no noise: of S seeds S - 1 are
    drawn, so that the variance of their mean comes out as s^2 / S and not (S - 1) / S of that. With one seed the luck
    of training is not in the interval; `method` says how many seeds there were.

    `n` of the result counts items. Below 2 items there is no interval. Same seed, same result.

    Raises:
        ValueError: Shapes do not fit, a value is not finite, or there are no items.

    Source: Efron and Tibshirani 1993, chapter 13; both factors resampled: Owen 2007, "The pigeonhole bootstrap",
    slightly too wide, never too narrow in expectation; S - 1 of S: Rao and Wu 1988, section 2.
    """
    check_level(level)
    a, b = _matrix(ours), _matrix(theirs)
    if a.shape[1] != b.shape[1] or a.shape[1] == 0:
        raise ValueError(f"Both sides must have the same items, had {a.shape[1]} and {b.shape[1]}.")
    n = a.shape[1]
    estimate = float(a.mean() - b.mean())
    method = f"paired bootstrap over {n} items, {len(a)} against {len(b)} seeds, {resamples} resamples"
    if n < 2:
        return Effect(estimate, None, None, n, level, method)
    rng = np.random.default_rng(seed)
    weights = np.hstack([_seed_weights(len(a), resamples, rng), -_seed_weights(len(b), resamples, rng)])
    draws = np.einsum("rs,rs->r", _item_means(np.vstack([a, b]), resamples, rng), weights)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, float(low), float(high), n, level, method)


def _matrix(outcomes: npt.ArrayLike) -> Floats:
    """(n_items,) or (n_seeds, n_items) to (n_seeds, n_items)."""
    matrix = np.atleast_2d(np.asarray(outcomes, dtype=np.float64))
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"Outcomes must be (n_items,) or (n_seeds, n_items), were {np.shape(outcomes)}.")
    if not np.isfinite(matrix).all():
        raise ValueError("Outcomes must be finite: leave out the items that could not be evaluated, on both sides.")
    return matrix


def _seed_weights(seeds: int, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, seeds): the weight of each seed in each resample; rows sum to 1."""
    drawn = max(seeds - 1, 1)
    return rng.multinomial(drawn, np.full(seeds, 1 / seeds), size=resamples) / drawn


def _item_means(outcomes: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, rows): the mean of each row of `outcomes` (rows, n_items) over items drawn with replacement.

    Items with equal columns are interchangeable, so it is enough to draw how often each pattern occurs: right-or-wrong
    outcomes of ten thousand items have a handful of patterns. In blocks, so memory stays bounded for real values too.
    """
    patterns, counts = np.unique(outcomes, axis=1, return_counts=True)
    n = outcomes.shape[1]
    block = max(1, _CELLS // patterns.shape[1])
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    means = [rng.multinomial(n, counts / n, size=size) @ patterns.T / n for size in sizes]
    return np.concatenate(means)
