"""Verification of a numeric answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from assay.components.scorers.verifiers.right import SCALE, check_name, judged, shown, wrong
from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.extraction import Extracted, extract_number

PLACES = {
    "any": "in the answer",
    "declared": "where the answer is declared",
    "last": "in the answer",
    "boxed": "in \\boxed{}",
}
AFTER = "after:"


@dataclass(frozen=True)
class NumberEquals:
    r"""1 where the number that an answer gives equals the reference's, else 0; a number that is not there is wrong.

    Which number that is, `where` says:

    * "any": what the answer declares ("#### 42", "\boxed{42}", "The answer is 42", 정답은 42), else its last number.
    * "declared": only what it declares, the number first.
    * "boxed": only what stands in its last \boxed{}, as MATH's solutions end (Hendrycks et al. 2021).
    * "last": the last number, or of a sum in the last sentence what is after "=", whatever is declared.
    * "after:####", or any other mark: the number that follows the last such mark at once, as GSM8K's solutions end
      (Cobbe et al. 2021).

    Numbers are read exactly (`text.answers.normalization`): "1,234.50", "$5", "3/4", "½", "2 million", 3만 5천; units,
    percent and currency are left out. Two numbers where one is wanted are wrong. The reference is read as "any",
    so that a worked solution is one too; without a single number in it a sample is Unscored. `answer` of the score is
    the number that was read.
    """

    reference: str = "output"
    """The field that says what is right."""
    tolerance: float = 0.0
    """By how much a right number may differ; 0.01 means 0.01 exactly."""
    where: str = "any"
    answer: str = "text"
    """The field that is looked at."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = SCALE

    def __post_init__(self) -> None:
        check_name("NumberEquals.reference", self.reference)
        check_name("NumberEquals.answer", self.answer)
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"NumberEquals.tolerance must be a number of at least 0, was {self.tolerance}.")
        mark = self.where.removeprefix(AFTER)
        if self.where not in PLACES and (mark == self.where or not mark.strip()):
            raise ValueError(
                f"NumberEquals.where must be one of {', '.join(PLACES)} or {AFTER}MARK, such as {AFTER}####, was "
                f"{self.where!r}. {did_you_mean(self.where, PLACES)}"
            )

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return judged(samples, self.answer, self.reference, self._one)

    def _one(self, text: str, reference: str) -> Outcome:
        right = extract_number(reference)
        if right is None:
            return Unscored("not_applicable", f"The reference gives no one number: {shown(reference)!r}.")
        found = self._read(text)
        if found is None:
            return wrong(f"There is no one number {self._place()}; right is {right.value}.")
        if abs(Fraction(found.value) - Fraction(right.value)) <= Fraction(str(self.tolerance)):
            return Score(1.0, f"{found.value} is right.", answer=found.value)
        return Score(0.0, f"It says {found.value}; right is {right.value}.", answer=found.value)

    def _read(self, text: str) -> Extracted | None:
        if self.where.startswith(AFTER):
            _, mark, rest = text.rpartition(self.where.removeprefix(AFTER))
            return extract_number(rest, strict=True, continues=True, by="continued") if mark else None
        if self.where == "boxed":
            return extract_number(text, by="boxed")
        if self.where == "last":
            return extract_number(text, by="last")
        return extract_number(text, strict=self.where == "declared")

    def _place(self) -> str:
        return PLACES.get(self.where, f"after {self.where.removeprefix(AFTER)!r}")
