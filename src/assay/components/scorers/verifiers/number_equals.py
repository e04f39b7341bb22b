"""Verification of a numeric answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from assay.components.scorers.verifiers.outcomes import SCALE, check_name, compare_with, incorrect, quoted
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
    r"""1 if the number in an answer equals that of the reference, else 0; an answer without a number is incorrect.

    `where` selects the number:

    * "any": the declared number ("#### 42", "\boxed{42}", "The answer is 42", 정답은 42), else the last one.
    * "declared": only a declared number, which must come first in the declaration.
    * "boxed": only that in the last \boxed{}, as in the solutions of MATH (Hendrycks et al. 2021).
    * "last": the last number, or that after "=" of a sum in the last sentence, even if another is declared.
    * "after:####", or another mark: the number directly after the last such mark, as in the solutions of GSM8K (Cobbe
      et al. 2021).

    Numbers are parsed exactly (`text.answers.normalization`): "1,234.50", "$5", "3/4", "½", "2 million", 3만 5천;
    units, percent signs and currencies are ignored. Two numbers in place of one are incorrect. The reference is parsed
    as "any", so it may be a worked solution; without a single number the sample is unscored. The `answer` of the score
    is the extracted number.
    """

    reference: str = "output"
    """Field of the reference answer."""
    tolerance: float = 0.0
    """Maximum absolute difference; 0.01 means 0.01 exactly."""
    where: str = "any"
    answer: str = "text"
    """Field of the answer."""

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
        return compare_with(samples, self.answer, self.reference, self._verify)

    def _verify(self, text: str, reference: str) -> Outcome:
        expected = extract_number(reference)
        if expected is None:
            return Unscored("not_applicable", f"The reference gives no one number: {quoted(reference)!r}.")
        number = self._extract(text)
        if number is None:
            return incorrect(f"There is no one number {self._place()}; right is {expected.value}.")
        if abs(Fraction(number.value) - Fraction(expected.value)) <= Fraction(str(self.tolerance)):
            return Score(1.0, f"{number.value} is right.", answer=number.value)
        return Score(0.0, f"It says {number.value}; right is {expected.value}.", answer=number.value)

    def _extract(self, text: str) -> Extracted | None:
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
