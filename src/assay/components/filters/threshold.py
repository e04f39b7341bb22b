"""Filters by score and by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import Unscoreds, check_choice, column_of, unscored
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Label, Outcome, Score, Unscored

MAX_REASON = 200
"""Maximum length in characters of the scorer's reason in that of a decision."""


@dataclass(frozen=True)
class Threshold:
    """Keep samples whose score in `column` is at least `low` and at most `high`.

    The reason is the score, and the beginning of the scorer's own reason if there is one.
    """

    column: str
    low: float | None = None
    high: float | None = None
    unscored: Unscoreds = "drop"

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_choice("Threshold", "unscored", self.unscored, ("drop", "keep"))
        if self.low is None and self.high is None:
            raise ValueError("Threshold.low must be a number if high is none, was none: it would keep everything.")
        low, high = self._bounds()
        if not low <= high:  # false for NaN too
            raise ValueError(f"Threshold.low must be a number no greater than high, was {low:g} with high {high:g}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        return [self._decision(outcome) for outcome in column_of(table, self.column, Score, "Threshold")]

    def _decision(self, outcome: Outcome) -> Decision:
        if isinstance(outcome, Unscored):
            return unscored(outcome, self.column, self.unscored)
        assert isinstance(outcome, Score)
        low, high = self._bounds()
        keep = low <= outcome.value <= high
        why = f": {shortened(outcome.reason)}" if outcome.reason else ""
        return Decision(keep, self._rule(), f"{self.column} is {outcome.value:.4g}{why}")

    def _bounds(self) -> tuple[float, float]:
        return float("-inf") if self.low is None else self.low, float("inf") if self.high is None else self.high

    def _rule(self) -> str:
        at_least = "" if self.low is None else f"{self.low:g} <= "
        at_most = "" if self.high is None else f" <= {self.high:g}"
        return f"{self.column} >= {self.low:g}" if not at_most else f"{at_least}{self.column}{at_most}"


def shortened(reason: str) -> str:
    """Return at most `MAX_REASON` characters on one line."""
    line = " ".join(reason.split())
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


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
        return [self._decision(outcome) for outcome in column_of(table, self.column, Label, "LabelIs")]

    def _decision(self, outcome: Outcome) -> Decision:
        if isinstance(outcome, Unscored):
            return unscored(outcome, self.column, self.unscored)
        assert isinstance(outcome, Label)
        reason = f"{self.column} {outcome.value}" + (f": {outcome.reason}" if outcome.reason else "")
        return Decision(outcome.value in self.allowed, f"{self.column} is {' or '.join(self.allowed)}", reason)
