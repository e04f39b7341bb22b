"""Whether a judge favors answers of its own family more than other judges of the same pairs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.intervals import wilson


@dataclass(frozen=True)
class SelfPreference:
    """One judge, on the pairs in which exactly one answer is of its own family."""

    own: Effect
    """How often its family wins before it."""
    others: Effect
    """How often the same answers win before the other judges."""
    difference: Effect
    """The first less the second: above 0 where it favors its own."""
    neutral: int
    """Pairs that a judge of neither family has judged too; on the others only a rival's judge has, who may favor its
    own as well: there the difference holds both favors."""

    @property
    def shown(self) -> bool:
        """Whether the interval leaves 0 out above."""
        return self.difference.low is not None and self.difference.low > 0


def self_preference(
    worth: npt.ArrayLike, judges: Sequence[str], families: Sequence[tuple[str, str]], *, seed: int = 0
) -> list[SelfPreference | None]:
    """One finding a judge; None where no pair has its family on one side alone and another family's judge besides.

    `worth` is (judges, pairs): 1 where the first answer won, 0 where the second did, 1/2 for a tie, nan where there is
    no verdict. `judges` are their families, `families` those of both answers of each pair. Where a judge of neither
    family saw a pair, only such judges stand for the others. The interval is a paired bootstrap over pairs.

    A judge whose family is better is no biased judge: other judges see that too, so the difference takes it out.

    Raises:
        ValueError: Shapes do not fit.

    Source: Zheng et al. 2023, "Judging LLM-as-a-judge", section 3.3 (self-enhancement bias); Panickssery et al. 2024,
    "LLM evaluators recognize and favor their own generations". The difference with an interval is ours.
    """
    values = np.asarray(worth, dtype=np.float64)
    if values.shape != (len(judges), len(families)):
        raise ValueError(f"Verdicts must be {(len(judges), len(families))}, judges by pairs, were {values.shape}.")
    return [_of(values, judges, families, nth, seed) for nth in range(len(judges))]


def _of(
    values: npt.NDArray[np.float64], judges: Sequence[str], families: Sequence[tuple[str, str]], nth: int, seed: int
) -> SelfPreference | None:
    mine, theirs, neutral = [], [], 0
    for pair, sides in enumerate(families):
        if (sides[0] == judges[nth]) == (sides[1] == judges[nth]) or np.isnan(values[nth, pair]):
            continue
        others = [row for row, judge in enumerate(judges) if judge != judges[nth] and not np.isnan(values[row, pair])]
        apart = [row for row in others if judges[row] not in sides]
        if not others:
            continue
        neutral += bool(apart)
        both = [float(values[nth, pair]), float(values[apart or others, pair].mean())]
        # As worth of the judge's own family, wherever it stands.
        mine.append(both[0] if sides[0] == judges[nth] else 1 - both[0])
        theirs.append(both[1] if sides[0] == judges[nth] else 1 - both[1])
    if not mine:
        return None
    return SelfPreference(
        wilson(sum(mine), len(mine)),
        wilson(sum(theirs), len(theirs)),
        paired_bootstrap(mine, theirs, seed=seed).effect,
        neutral,
    )
