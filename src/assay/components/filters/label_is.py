"""Filter by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import Unscoreds, check_choice, column_of, unscored
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Label, Outcome, Unscored


@dataclass(frozen=True)
class LabelIs:
    """Keep samples whose label in `column` is one of `allowed`; by default, that a reference classifier "agrees"."""

    column: str
    allowed: tuple[str, ...] = ("agrees",)
    unscored: Unscoreds = "drop"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("LabelIs", "unscored", self.unscored, ("drop", "keep"))
        if not self.allowed:
            raise ValueError("LabelIs.allowed must name at least one label, was empty.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        return [self._one(outcome) for outcome in column_of(table, self.column, Label, "LabelIs")]

    def _one(self, outcome: Outcome) -> Decision:
        if isinstance(outcome, Unscored):
            return unscored(outcome, self.column, self.unscored)
        assert isinstance(outcome, Label)
        reason = f"{self.column} {outcome.value}" + (f": {outcome.reason}" if outcome.reason else "")
        return Decision(outcome.value in self.allowed, f"{self.column} is {' or '.join(self.allowed)}", reason)
