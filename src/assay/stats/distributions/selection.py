"""What scores would keep, and how alike they choose: the best k by each, and how far their orders go together."""

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
    """The best by one score."""

    chosen: Bools
    """(n,) whether each item is among them."""
    tied: int
    """Items whose value is that of the last one chosen; 1 where no other has it."""
    tied_chosen: int
    """How many of those are chosen: not the score but the order of ids took them and left the rest."""


@dataclass(frozen=True)
class SelectionOverlap:
    """What two choices have in common."""

    share: float
    """Of the smaller choice, what the other chose, too."""
    chance: float
    """What that would be on average if both had been picked blindly."""


def best(values: npt.ArrayLike, ids: Sequence[str], count: int, *, higher: bool) -> TopSelection:
    """The `count` best of n items by value, or all that have one where they are fewer; of equals the lower id.

    Shape: (n,), NaN where there is no value.

    Raises:
        ValueError: There is not one id for each value, or `count` is below 1.
    """
    keys = np.asarray(values, dtype=np.float64)
    if keys.shape != (len(ids),) or count < 1:
        raise ValueError(f"The best {count} were asked of {keys.shape} values and {len(ids)} ids.")
    keys = -keys if higher else keys
    known = [row for row in range(len(ids)) if not math.isnan(keys[row])]
    taken = sorted(known, key=lambda row: (keys[row], ids[row]))[:count]
    chosen = np.zeros(len(ids), dtype=np.bool_)
    chosen[taken] = True
    if not taken:
        return TopSelection(chosen, 0, 0)
    last = keys == keys[taken[-1]]
    return TopSelection(chosen, int(last.sum()), int((last & chosen).sum()))


def selection_overlap(ours: Bools, theirs: Bools) -> SelectionOverlap | None:
    """What two choices among the same n items share; None where one of them is empty.

    By chance, the mean of the hypergeometric distribution: the larger choice's share of all items.
    """
    fewer, more = sorted((int(ours.sum()), int(theirs.sum())))
    if not fewer:
        return None
    return SelectionOverlap(float((ours & theirs).sum() / fewer), more / len(ours))


def spearman(x: npt.ArrayLike, y: npt.ArrayLike, level: float = 0.95) -> Effect | None:
    """Spearman's rho of two columns (n,), by the pairs that have both (no NaN); None where a column does not vary.

    The interval is Fisher's z with the variance (1 + rho^2 / 2) / (n - 3), and there is none below four pairs. It takes
    a sort where `agreement.correlation` draws thousands of samples; where many values are equal it is a little off.

    Raises:
        ValueError: The columns differ in length.

    Source: Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations", Psychometrika 65, equation 3.
    """
    check_level(level)
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"A correlation needs two columns of one length, had {a.shape} and {b.shape}.")
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
