"""Do two models differ on the same items? McNemar's exact test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr


@dataclass(frozen=True)
class McNemar:
    """Where two models differ, and how likely so lopsided a split would be if neither were better."""

    ours_only: int
    """Items that only ours got right."""
    theirs_only: int
    """Items that only theirs got right."""
    p: float
    """Two-sided, exact."""


def mcnemar(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> McNemar:
    """Exact two-sided McNemar test of two columns of right (True) and wrong (False).

    Shapes: (n_items,) each, item i the same item. One model a side: pooling seeds would count an item several times.
    Where the two never differ, p is 1.

    Raises:
        ValueError: The columns are not one-dimensional, differ in length, or hold something other than 0 and 1.

    Source: McNemar 1947; the binomial form is statsmodels' `mcnemar(exact=True)`.
    """
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"McNemar needs two columns of one length, had shapes {a.shape} and {b.shape}.")
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise ValueError("McNemar needs right or wrong: every value must be True or False.")
    only_a = int(np.sum((a == 1) & (b == 0)))
    only_b = int(np.sum((a == 0) & (b == 1)))
    differing = only_a + only_b
    # Twice the smaller tail: exact and two-sided, as the null hypothesis is symmetric. (scipy.stats has it too, and
    # costs a second to import.)
    p = min(1.0, 2 * float(bdtr(min(only_a, only_b), differing, 0.5))) if differing else 1.0
    return McNemar(only_a, only_b, p)
