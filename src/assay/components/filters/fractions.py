"""Filters that keep a fraction: the best by score, or a random subset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import (
    Best,
    Unscoreds,
    check_choice,
    column_of,
    draw,
    group_suffix,
    groups,
    quota,
    rank_key,
    unscored,
)
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Score, Unscored


@dataclass(frozen=True)
class TopFraction:
    """Keep the best `fraction` by `column` of the scored samples of each group; ties go to the lower id.

    Rounds up, so a label with a scored sample never disappears. The balance of labels is preserved, where a threshold
    would drop the difficult ones.
    """

    column: str
    fraction: float
    best: Best = "highest"
    per: str | None = "label"
    """Text field that defines groups; None for a single group of all samples."""
    unscored: Unscoreds = "drop"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("TopFraction", "unscored", self.unscored, ("drop", "keep"))
        check_choice("TopFraction", "best", self.best, ("highest", "lowest"))
        if not 0 < self.fraction <= 1:
            raise ValueError(f"TopFraction.fraction must be above 0 and at most 1, was {self.fraction}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        outcomes = column_of(table, self.column, Score, "TopFraction")
        decisions = {
            row: unscored(outcome, self.column, self.unscored)
            for row, outcome in enumerate(outcomes)
            if isinstance(outcome, Unscored)
        }
        for name, rows in groups(table, self.per).items():
            scored = [row for row in rows if row not in decisions]
            scored.sort(key=lambda row: rank_key(outcomes[row], self.best, table.ids[row]))
            count = quota(self.fraction, len(scored))
            for rank, row in enumerate(scored, start=1):
                outcome = outcomes[row]
                assert isinstance(outcome, Score)
                reason = f"number {rank} of {len(scored)}{group_suffix(name)}: {self.column} is {outcome.value:.4g}"
                decisions[row] = Decision(rank <= count, self._rule(), reason)
        return [decisions[row] for row in range(len(table))]

    def _rule(self) -> str:
        return f"{self.best} {self.fraction:.4g} of {self.column}" + (f" per {self.per}" if self.per else "")


@dataclass(frozen=True)
class RandomSubset:
    """Keep a random `fraction` of each group, or `keep` samples of each group.

    The draw is a hash of sample and seed. It does not depend on other samples, so a larger fraction keeps all samples
    of a smaller one.
    """

    fraction: float | None = None
    keep: int | None = None
    """Samples of each group; all of a smaller group."""
    per: str | None = "label"
    """Text field that defines groups; None for a single group of all samples."""
    seed: int = 0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.keep is None):
            raise ValueError(f"RandomSubset needs either fraction or keep, was {self.fraction} and {self.keep}.")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ValueError(f"RandomSubset.fraction must be above 0 and at most 1, was {self.fraction}.")
        if self.keep is not None and self.keep < 0:
            raise ValueError(f"RandomSubset.keep must be at least 0, was {self.keep}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        decisions: dict[int, Decision] = {}
        for name, rows in groups(table, self.per).items():
            count = min(self.keep, len(rows)) if self.keep is not None else quota(self.fraction or 0.0, len(rows))
            for rank, row in enumerate(sorted(rows, key=lambda row: draw(table.ids[row], self.seed)), start=1):
                reason = f"drawn as number {rank} of {len(rows)}"
                decisions[row] = Decision(
                    rank <= count, f"random {count}{group_suffix(name)}, seed {self.seed}", reason
                )
        return [decisions[row] for row in range(len(table))]
