"""Filter for the best fraction by score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import (
    Best,
    Unscoreds,
    among,
    check_choice,
    column_of,
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
            room = quota(self.fraction, len(scored))
            for rank, row in enumerate(scored, start=1):
                outcome = outcomes[row]
                assert isinstance(outcome, Score)
                reason = f"number {rank} of {len(scored)}{among(name)}: {self.column} is {outcome.value:.4g}"
                decisions[row] = Decision(rank <= room, self._rule(), reason)
        return [decisions[row] for row in range(len(table))]

    def _rule(self) -> str:
        return f"{self.best} {self.fraction:.4g} of {self.column}" + (f" per {self.per}" if self.per else "")
