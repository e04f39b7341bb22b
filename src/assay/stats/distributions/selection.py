"""Selection of the best k items by a score, overlap of selections, and Spearman's rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TopSelection:
    """Best items by one score."""

    chosen: Bools
    """(n,) mask of selected items."""
    tied: int
    """Number of items with the value of the last selected one; 1 without ties."""
    tied_chosen: int
    """Number of tied items that are selected, by order of ids."""


@dataclass(frozen=True)
class SelectionOverlap:
    """Overlap of two selections."""

    share: float
    """Fraction of the smaller selection that the other contains."""
    chance: float
    """Expected fraction for random selections."""


def best(values: npt.ArrayLike, ids: Sequence[str], count: int, *, higher: bool) -> TopSelection:
    """Select the `count` best of n items by value, ties by lower id; items without a value (NaN) are not selected.

    Raises:
        ValueError: Different numbers of values and ids, or `count` is below 1.
    """
    keys = np.asarray(values, dtype=np.float64)
    if keys.shape != (len(ids),) or count < 1:
        raise ValueError(f"The best {count} of {keys.shape} values with {len(ids)} ids: expected one id per value.")
    keys = -keys if higher else keys
    rows = [row for row in range(len(ids)) if not math.isnan(keys[row])]
    selected = sorted(rows, key=lambda row: (keys[row], ids[row]))[:count]
    chosen = np.zeros(len(ids), dtype=np.bool_)
    chosen[selected] = True
    if not selected:
        return TopSelection(chosen, 0, 0)
    last = keys == keys[selected[-1]]
    return TopSelection(chosen, int(last.sum()), int((last & chosen).sum()))


def selection_overlap(ours: Bools, theirs: Bools) -> SelectionOverlap | None:
    """Overlap of two selections among the same n items; None if one is empty.

    The expected value is the mean of the hypergeometric distribution.
    """
    fewer, more = sorted((int(ours.sum()), int(theirs.sum())))
    if not fewer:
        return None
    return SelectionOverlap(float((ours & theirs).sum() / fewer), more / len(ours))


def spearman(x: npt.ArrayLike, y: npt.ArrayLike, level: float = 0.95) -> Effect | None:
    """Spearman's rho of two columns (n,) over pairs without NaN; None if a column is constant.

    The interval uses Fisher's z with variance (1 + rho^2 / 2) / (n - 3), and needs four pairs. Faster than the
    bootstrap of `agreement.correlation`, but approximate with many ties.

    Raises:
        ValueError: The columns differ in length.

    Source: Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations", Psychometrika 65, equation 3.
    """
    check_level(level)
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"A correlation needs two columns of equal length, had {a.shape} and {b.shape}.")
    both = ~(np.isnan(a) | np.isnan(b))
    a, b, n = a[both], b[both], int(both.sum())
    if n < 2 or (a == a[0]).all() or (b == b[0]).all():
        return None
    rho = float(np.clip(np.corrcoef(rankdata(a), rankdata(b))[0, 1], -1.0, 1.0))
    method = "spearman, Bonett and Wright"
    if n < 4:
        return Effect(rho, None, None, n, level, method)
    if abs(rho) > 1 - 1e-12:
        return Effect(rho, rho, rho, n, level, method)
    half = float(ndtri(0.5 + level / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Effect(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n, level, method)
