"""Answers of LLM judges: grading scales, parsing of grades and letters, and judgments of a pair in both orders."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.core.completions import Likelihood
from assay.core.score import Outcome, Score

MAX_GRADES = 101
"""Maximum number of grades of a scale."""
TAIL = 20_000
"""Characters at the end of an answer that are parsed."""


@dataclass(frozen=True)
class Grades:
    """Scale from `low` to `high` in steps: 1 to 5 as in G-Eval, 0 to 5 in halves as in AlpaGasus.

    Raises:
        ValueError: The scale has fewer than two or more than 101 grades, or `high` is not a whole number of steps away.
    """

    low: float = 1.0
    high: float = 5.0
    step: float = 1.0

    def __post_init__(self) -> None:
        finite = all(map(math.isfinite, (self.low, self.high, self.step)))
        if not finite or self.low < 0 or self.step <= 0 or self.low >= self.high:
            raise ValueError(
                f"Grades must be increasing from 0 or more, got {self.low:g} to {self.high:g} in steps of "
                f"{self.step:g}."
            )
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > 1e-9 or round(steps) + 1 > MAX_GRADES:
            raise ValueError(
                f"Grades from {self.low:g} to {self.high:g} must be at most {MAX_GRADES} in whole steps, "
                f"got steps of {self.step:g}."
            )

    @property
    def values(self) -> tuple[float, ...]:
        """All grades in ascending order."""
        count = round((self.high - self.low) / self.step) + 1
        return tuple(round(self.low + nth * self.step, 6) for nth in range(count))

    @property
    def words(self) -> tuple[str, ...]:
        """Grades as text, none a prefix of another: 1, 2, 3; or 9.0, 9.5, 10.0."""
        plain = tuple(f"{value:g}" for value in self.values)
        if not any(word != other and other.startswith(word) for word in plain for other in plain):
            return plain
        digits = max(1, *(len(word.partition(".")[2]) for word in plain))
        return tuple(f"{value:.{digits}f}" for value in self.values)

    def described(self) -> str:
        """Scale in the prompt: "1, 2, 3, 4 or 5", or the ends and the step for more than eleven grades."""
        if len(self.values) <= 11:
            return f"{', '.join(self.words[:-1])} or {self.words[-1]}"
        return f"a number from {self.words[0]} to {self.words[-1]} in steps of {self.step:g}"


@dataclass(frozen=True)
class WordProbabilities:
    """Normalized probabilities of answer tokens."""

    probabilities: tuple[float, ...]
    """Probability of each token, normalized to sum to 1."""
    mass: float
    """Total probability of the tokens; near 0 if the judge would answer in another format."""


def word_probabilities(likelihoods: Sequence[Likelihood]) -> WordProbabilities | None:
    """Normalize likelihoods of tokens none of which is a prefix of another; None if all are zero."""
    values = [-math.inf if math.isnan(likelihood.log_prob) else likelihood.log_prob for likelihood in likelihoods]
    top = max(values)
    if top == -math.inf:
        return None
    parts = [math.exp(value - top) for value in values]
    return WordProbabilities(tuple(part / sum(parts) for part in parts), min(1.0, sum(map(math.exp, values))))


def expected_grade(grades: Grades, probabilities: Sequence[float]) -> float:
    """The sum of p(g) g over the grades (Liu et al. 2023, "G-Eval", section 2, "Scoring function", equation 1).

    G-Eval estimates the probabilities from 20 samples of GPT-4; here they are the normalized token probabilities.
    """
    total = sum(probability * value for probability, value in zip(probabilities, grades.values, strict=True))
    return min(max(total, grades.low), grades.high)  # sums of floats may miss the ends by their last bit


def parse_line(text: str, id_: str, *, whole: bool = True) -> str | None:
    """Rest of the last line "ID `id_`: ..." of a judge's answer; None if there is none.

    Only Markdown characters may precede the id. If the answer was truncated (`whole` is False), its last line is
    ignored, since 4 may be the beginning of 4.5. Only the last 20,000 characters are parsed.
    """
    lines = (text if whole else text[: text.rfind("\n") + 1])[-TAIL:].splitlines()
    pattern = re.compile(rf"[\s>*_`#-]*(?:ID\b)?[\s*_`:#]*{re.escape(id_)}[\s*_`]*[:=\uff1a][\s*_`]*(.{{1,40}})", re.I)
    for line in reversed(lines):
        if len(line) <= 200 and (match := pattern.fullmatch(line)):
            return match[1].strip(" \t*_`.\u3002")
    return None


def parse_grade(text: str, id_: str, grades: Grades, *, whole: bool = True) -> float | None:
    """Parse the grade after the id, also in the form "4/5"; None if there is none. Never raises."""
    line = parse_line(text, id_, whole=whole)
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)(?:\s*/\s*([0-9]{1,3}(?:\.0)?))?", line or "")
    if match is None or (match[2] and float(match[2]) != grades.high):
        return None
    value = float(match[1])
    return next((grade for grade in grades.values if abs(grade - value) < 1e-6), None)


def parse_letter(text: str, id_: str, letters: Sequence[str], *, whole: bool = True) -> str | None:
    """Parse the letter after the id, with or without brackets; None if there is none. Never raises."""
    line = parse_line(text, id_, whole=whole) or ""
    letter = re.sub(r"\A(?:Answer\s)?[\[(]{0,2}([A-Za-z])[\])]{0,2}\Z", r"\1", line).upper()
    return letter if letter in letters else None


@dataclass(frozen=True)
class PairJudgment:
    """Outcomes of one pair in both orders, as scores of `output_a`: 1 win, 0 loss, 1/2 tie."""

    as_given: Outcome
    swapped: Outcome
    """With `output_a` in second position; also a score of `output_a`."""

    @property
    def orders(self) -> tuple[float, float] | None:
        """Scores of both orders; None if an order is unscored."""
        as_given, swapped = self.as_given, self.swapped
        return (as_given.value, swapped.value) if isinstance(as_given, Score) and isinstance(swapped, Score) else None

    @property
    def inconsistent(self) -> bool:
        """Position inconsistency: whether the orders disagree."""
        return self.orders is not None and self.orders[0] != self.orders[1]

    @property
    def preference(self) -> float | None:
        """Score of `output_a` over both orders; a position-inconsistent pair counts as a tie."""
        return None if self.orders is None else self.orders[0] if not self.inconsistent else 0.5

    @property
    def balanced(self) -> float | None:
        """Mean probability of `output_a` over both orders; None if no likelihoods were compared.

        Source: Wang et al. 2023, "Large language models are not fair evaluators", section 3.2, "Balanced position
        calibration"; there for grades, here for probabilities.
        """
        both = (self.as_given, self.swapped)
        probabilities = [
            outcome.evidence["first"] for outcome in both if isinstance(outcome, Score) and "first" in outcome.evidence
        ]
        return sum(probabilities) / 2 if len(probabilities) == 2 else None


def other_order(outcome: Outcome) -> Outcome:
    """Convert a score of the first position to one of the second."""
    if not isinstance(outcome, Score):
        return outcome
    evidence = {name: 1 - value if name == "first" else value for name, value in outcome.evidence.items()}
    return replace(outcome, value=1 - outcome.value, evidence=evidence)
