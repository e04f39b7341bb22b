"""Several pairs of arms, compared so that the verdicts hold for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.holm import holm
from assay.stats.inference.mcnemar import McNemar, mcnemar
from assay.stats.inference.verdict import Verdict, verdict

Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class FamilyComparison:
    """One pair of a family."""

    effect: Effect
    """Ours minus theirs."""
    p: float | None
    """Of this pair alone: McNemar's exact test where each side is one column of right and wrong, else the
    bootstrap's. None where there is no interval."""
    adjusted_p: float | None
    """Holm's, for the whole family."""
    mcnemar: McNemar | None
    """Of the first training of each side; None where outcomes are not right or wrong."""

    @property
    def verdict(self) -> Verdict:
        """Needs both: an interval without zero, and an adjusted p of at most 1 - level."""
        return verdict(self.effect, self.adjusted_p)


def compare(pairs: Sequence[Pair], seeds: Sequence[int], *, resamples: int = 10_000) -> tuple[FamilyComparison, ...]:
    """Compares each pair (ours, theirs) of outcomes, (n_seeds, n_items) each, and adjusts for the family.

    `seeds` are those of the bootstraps, one a pair.

    Raises:
        ValueError: As `paired_bootstrap`.
    """
    alone = [_alone(pair, seed, resamples) for pair, seed in zip(pairs, seeds, strict=True)]
    known = [p for _, p, _ in alone if p is not None]
    adjusted = iter(holm(known))
    return tuple(
        FamilyComparison(effect, p, None if p is None else next(adjusted), exact) for effect, p, exact in alone
    )


def _alone(pair: Pair, seed: int, resamples: int) -> tuple[Effect, float | None, McNemar | None]:
    a, b = (np.atleast_2d(side) for side in pair)
    paired = paired_bootstrap(a, b, seed=seed, resamples=resamples)
    binary = bool(np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    exact = mcnemar(a[0], b[0]) if binary else None
    once = exact is not None and len(a) == len(b) == 1 and paired.p is not None
    return paired.effect, exact.p if once and exact is not None else paired.p, exact
