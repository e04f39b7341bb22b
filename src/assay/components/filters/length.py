"""Filter by length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.components.filters.columns import check_choice
from assay.core.roles import Decision, ScoreTable
from assay.text.similarity.tokens import normalize_case, tokens


@dataclass(frozen=True)
class Length:
    """Keep samples whose text has at least `low` and at most `high` words or characters.

    Words are those of `text/similarity/tokens.py`: of any script, and in Korean, Chinese, Japanese or Thai single
    characters, so such texts need their own bounds. Characters are counted after NFKC normalization, with runs of white
    space as one and none at the ends. Too short and too long are separate rules with their own counts in the report.
    """

    text: str = "instruction"
    """Field to measure."""
    unit: Literal["words", "characters"] = "words"
    low: int | None = None
    high: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("Length", "unit", self.unit, ("words", "characters"))
        if self.low is None and self.high is None:
            raise ValueError("Length.low must be a number if high is none, was none: it would keep everything.")
        if (self.low or 0) < 0:
            raise ValueError(f"Length.low must be at least 0, was {self.low}.")
        if self.high is not None and self.high < (self.low or 0):
            raise ValueError(f"Length.high must be at least low, was {self.high} with low {self.low or 0}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        return [self._decision(text) for text in table.field_values(self.text)] if len(table) else []

    def _decision(self, text: str) -> Decision:
        count = len(tokens(text)) if self.unit == "words" else len(" ".join(normalize_case(text).split()))
        unit = self.unit if count != 1 else self.unit.removesuffix("s")
        reason = f"{self.text} has {count:,} {unit}"
        if self.low is not None and count < self.low:
            return Decision(False, f"{self.text} under {self.low:,} {self.unit}", reason)
        if self.high is not None and count > self.high:
            return Decision(False, f"{self.text} over {self.high:,} {self.unit}", reason)
        return Decision(True, f"{self.text} of {self._bounds()} {self.unit}", reason)

    def _bounds(self) -> str:
        if self.high is None:
            return f"at least {self.low:,}"
        return f"at most {self.high:,}" if self.low is None else f"{self.low:,} to {self.high:,}"
