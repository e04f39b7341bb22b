"""Comparison of several pairs of arms with family-wise error control, and the verdict of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.paired_tests import McNemar, holm, mcnemar

Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class FamilyComparison:
    """Comparison of one pair of a family."""

    effect: Effect
    """Ours minus theirs."""
    p: float | None
    """Unadjusted: McNemar's exact test for one binary column per side, else bootstrap. None without an interval."""
    adjusted_p: float | None
    """Holm-adjusted over the family."""
    mcnemar: McNemar | None
    """McNemar's test of the first seed of each side; None if outcomes are not binary."""

    @property
    def verdict(self) -> Verdict:
        """Significant if the interval excludes zero and the adjusted p is at most 1 - level."""
        return verdict(self.effect, self.adjusted_p)


def compare(pairs: Sequence[Pair], seeds: Sequence[int], *, resamples: int = 10_000) -> tuple[FamilyComparison, ...]:
    """Compare each pair (ours, theirs) of outcomes, (n_seeds, n_items) each, with Holm adjustment.

    `seeds` are the bootstrap seeds, one per pair.

    Raises:
        ValueError: As `paired_bootstrap`.
    """
    unadjusted = [_unadjusted(pair, seed, resamples) for pair, seed in zip(pairs, seeds, strict=True)]
    p_values = [p for _, p, _ in unadjusted if p is not None]
    adjusted = iter(holm(p_values))
    return tuple(
        FamilyComparison(effect, p, None if p is None else next(adjusted), exact) for effect, p, exact in unadjusted
    )


def _unadjusted(pair: Pair, seed: int, resamples: int) -> tuple[Effect, float | None, McNemar | None]:
    a, b = (np.atleast_2d(side) for side in pair)
    paired = paired_bootstrap(a, b, seed=seed, resamples=resamples)
    binary = bool(np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    exact = mcnemar(a[0], b[0]) if binary else None
    once = exact is not None and len(a) == len(b) == 1 and paired.p is not None
    return paired.effect, exact.p if once and exact is not None else paired.p, exact


Verdict: TypeAlias = Literal["helped", "hurt", "no significant difference"]


def verdict(effect: Effect, p: float | None = None) -> Verdict:
    """Return "helped" if the interval is above zero, "hurt" if below, else "no significant difference".

    `effect` is a difference where higher is better. If `p` is given (such as Holm-adjusted), it must also be at most
    1 - level.
    """
    if p is not None and p > 1 - effect.level + 1e-12:
        return "no significant difference"
    if effect.low is not None and effect.low > 0:
        return "helped"
    if effect.high is not None and effect.high < 0:
        return "hurt"
    return "no significant difference"


def negated(effect: Effect) -> Effect:
    """Difference with the opposite sign."""
    low, high = (None if end is None else -end for end in (effect.high, effect.low))
    return replace(effect, estimate=-effect.estimate, low=low, high=high)
