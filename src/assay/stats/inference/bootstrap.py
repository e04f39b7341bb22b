"""How much better one model is than another on the same items, with an interval and a p-value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level

Floats = npt.NDArray[np.float64]

_CELLS = 2_000_000
"""Most numbers held at once while resampling: 16 MB."""


@dataclass(frozen=True)
class PairedDifference:
    """A difference on the same items."""

    effect: Effect
    p: float | None
    """Two-sided: the smallest alpha whose interval leaves zero out; at least 2 / (resamples + 1). None where there is
    no interval."""


def paired_bootstrap(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 10_000
) -> PairedDifference:
    """The mean of `ours` minus the mean of `theirs`, with a bootstrap interval over items nested in seeds.

    Shapes: (n_items,), or (n_seeds, n_items) where several models were trained for an arm; item i is the same item
    on both sides, the numbers of seeds may differ. Values are outcomes of any kind: 0 and 1, or a score.

    Items are drawn with replacement, once for both sides (paired) and for every seed (all seeds answer the same
    items). Seeds are drawn for each side on its own, because two trainings share no noise: of S seeds S - 1 are
    drawn, so that the variance of their mean comes out as s^2 / S and not (S - 1) / S of that. With one seed the luck
    of training is not in the interval; `method` says how many seeds there were.

    Three seeds tell their own spread badly, and a plain percentile interval does not know it. So the percentiles are
    moved away from the estimate by Student's t over the normal quantile, at the degrees of freedom that Welch and
    Satterthwaite give for the variance between seeds of each side beside that of the items.

    `n` of the result counts items. Below 2 items there is no interval. Same seed, same result.

    Raises:
        ValueError: Shapes do not fit, a value is not finite, or there are no items.

    Source: Efron and Tibshirani 1993, chapter 13; both factors resampled: Owen 2007, "The pigeonhole bootstrap",
    slightly too wide, never too narrow in expectation; S - 1 of S: Rao and Wu 1988, section 2; degrees of freedom:
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
    freedom = _freedom(a, b, float(draws.var()))
    low, high = _interval(draws, estimate, freedom, 1 - level)
    return PairedDifference(Effect(estimate, low, high, n, level, method), _p(draws, estimate, freedom))


def _interval(draws: Floats, estimate: float, freedom: float, alpha: float) -> tuple[float, float]:
    """Percentiles of sorted `draws`, moved away from the estimate as far as `freedom` asks."""
    wider = float(stdtrit(freedom, 1 - alpha / 2) / ndtri(1 - alpha / 2)) if np.isfinite(freedom) else 1.0
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(estimate + (low - estimate) * wider), float(estimate + (high - estimate) * wider)


def _p(draws: Floats, estimate: float, freedom: float) -> float:
    """The smallest alpha whose interval does not hold zero, by bisection: intervals grow as alpha falls."""
    least = 2 / (len(draws) + 1)
    below, above = least, 1 - 1e-9
    if not _holds_zero(_interval(draws, estimate, freedom, below)):
        return least
    if _holds_zero(_interval(draws, estimate, freedom, above)):
        return 1.0
    while above - below > 1e-6:
        middle = (below + above) / 2
        if _holds_zero(_interval(draws, estimate, freedom, middle)):
            below = middle
        else:
            above = middle
    return above


def _holds_zero(interval: tuple[float, float]) -> bool:
    return interval[0] <= 0 <= interval[1]


def _freedom(a: Floats, b: Floats, variance: float) -> float:
    """Degrees of freedom of `variance`, of the difference of means, most of which may come from a few seeds.

    The variance between seeds holds the items' noise too, which all seeds share the items of: counting it here only
    lowers the degrees of freedom, and so widens the interval.
    """
    between = [(float(side.mean(axis=1).var(ddof=1)) / len(side), len(side) - 1) for side in (a, b) if len(side) > 1]
    items = max(0.0, variance - sum(part for part, _ in between))
    parts = [*between, (items, a.shape[1] - 1)]
    whole = sum(part for part, _ in parts)
    spread = sum(part**2 / count for part, count in parts)
    return whole**2 / spread if spread > 0 else float("inf")


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
