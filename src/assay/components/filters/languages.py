"""Filter by language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import Unscoreds, check_choice, check_different, column_of, unscored
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Label, Outcome, Unscored


@dataclass(frozen=True)
class Languages:
    """Keep samples in one of `languages`, or in the language that their own field names, with enough confidence.

    `column` is that of the scorer `Language`. Each condition is a separate rule with its own count in the report.
    """

    column: str
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; any language if empty."""
    field: str | None = None
    """Text field with the expected language of each sample."""
    min_confidence: float = 0.0
    """Minimum confidence, 0 to 1."""
    unscored: Unscoreds = "drop"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("Languages", "unscored", self.unscored, ("drop", "keep"))
        if not self.languages and self.field is None:
            raise ValueError("Languages.languages must name one if field is none, was empty: it would keep all.")
        if self.languages:
            check_different("Languages", "languages", self.languages)
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"Languages.min_confidence must be 0 to 1, was {self.min_confidence}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        outcomes = column_of(table, self.column, Label, "Languages")
        expected = table.field_values(self.field) if self.field else [""] * len(table)
        return [self._decision(*row) for row in zip(outcomes, expected, strict=True)]

    def _decision(self, outcome: Outcome, expected: str) -> Decision:
        if isinstance(outcome, Unscored):
            return unscored(outcome, self.column, self.unscored)
        assert isinstance(outcome, Label)
        confidence = outcome.evidence.get("confidence", 1.0)
        reason = f"{self.column} is {outcome.value} with confidence {confidence:.2f}"
        if self.languages and outcome.value not in self.languages:
            return Decision(False, f"{self.column} is not {' or '.join(self.languages)}", reason)
        if self.field and outcome.value != expected.strip():
            return Decision(
                False, f"{self.column} is not what {self.field} says", f"{reason}, {self.field} is {expected!r}"
            )
        if confidence < self.min_confidence:
            return Decision(False, f"{self.column} is less sure than {self.min_confidence:g}", reason)
        return Decision(True, f"{self.column} is right", reason)
