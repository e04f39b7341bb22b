"""The grades that a judge may give, and the one it gave: read in its answer, or weighed by its probabilities."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.completions import Likelihood

MOST = 101
"""Grades of a scale."""
TAIL = 20_000
"""Characters at the end of an answer that are read."""


@dataclass(frozen=True)
class Grades:
    """Numbers from `low` to `high` by steps: 1 to 5 as in G-Eval, 0 to 5 by halves as AlpaGasus' judge gives them.

    Raises:
        ValueError: There are fewer than two grades or more than 101, or `high` is none of them.
    """

    low: float = 1.0
    high: float = 5.0
    step: float = 1.0

    def __post_init__(self) -> None:
        finite = all(map(math.isfinite, (self.low, self.high, self.step)))
        if not finite or self.low < 0 or self.step <= 0 or self.low >= self.high:
            raise ValueError(f"Grades must go up from 0 or more, had {self.low:g} to {self.high:g} by {self.step:g}.")
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > 1e-9 or round(steps) + 1 > MOST:
            raise ValueError(
                f"Grades must go from {self.low:g} to {self.high:g} in whole steps, {MOST} grades at most, "
                f"had steps of {self.step:g}."
            )

    @property
    def values(self) -> tuple[float, ...]:
        """Each grade, the lowest first."""
        count = round((self.high - self.low) / self.step) + 1
        return tuple(round(self.low + nth * self.step, 6) for nth in range(count))

    @property
    def words(self) -> tuple[str, ...]:
        """Each grade as it is written, none the beginning of another: 1, 2, 3; or 9.0, 9.5, 10.0."""
        plain = tuple(f"{value:g}" for value in self.values)
        if not any(one != other and other.startswith(one) for one in plain for other in plain):
            return plain
        digits = max(1, *(len(word.partition(".")[2]) for word in plain))
        return tuple(f"{value:.{digits}f}" for value in self.values)

    def described(self) -> str:
        """As a judge is told: "1, 2, 3, 4 or 5", or the ends and the step where there are more than eleven."""
        if len(self.values) <= 11:
            return f"{', '.join(self.words[:-1])} or {self.words[-1]}"
        return f"a number from {self.words[0]} to {self.words[-1]} in steps of {self.step:g}"


@dataclass(frozen=True)
class WordProbabilities:
    """What a judge's probabilities say of some words that may follow."""

    shares: tuple[float, ...]
    """Of each word, among these words; they sum to 1."""
    mass: float
    """How much of all probability these words have together: near 0, the judge would have said something else."""


def word_probabilities(likelihoods: Sequence[Likelihood]) -> WordProbabilities | None:
    """The shares of words of which none begins another; None where none of them has any probability."""
    values = [-math.inf if math.isnan(one.log_prob) else one.log_prob for one in likelihoods]
    top = max(values)
    if top == -math.inf:
        return None
    parts = [math.exp(value - top) for value in values]
    return WordProbabilities(tuple(part / sum(parts) for part in parts), min(1.0, sum(map(math.exp, values))))


def expected(grades: Grades, shares: Sequence[float]) -> float:
    """The sum of p(g) g over the grades (Liu et al. 2023, "G-Eval", section 2, "Scoring function", equation 1).

    G-Eval takes shares of 20 samples, as GPT-4 shows no probabilities; here they are the model's own, made to sum to 1.
    """
    total = sum(share * value for share, value in zip(shares, grades.values, strict=True))
    return min(max(total, grades.low), grades.high)  # sums of floats may miss the ends by their last bit


def read_line(text: str, own: str, *, whole: bool = True) -> str | None:
    """What a judge wrote after its id: the rest of the last line "ID `own`: ..."; None where there is none.

    A line counts where it holds nothing else but Markdown's marks before it. Where the answer was cut (`whole` is
    False), its last line is not looked at: a 4 may be the beginning of 4.5. Only the last 20,000 characters are read.
    """
    lines = (text if whole else text[: text.rfind("\n") + 1])[-TAIL:].splitlines()
    pattern = re.compile(rf"[\s>*_`#-]*(?:ID\b)?[\s*_`:#]*{re.escape(own)}[\s*_`]*[:=\uff1a][\s*_`]*(.{{1,40}})", re.I)
    for line in reversed(lines):
        if len(line) <= 200 and (found := pattern.fullmatch(line)):
            return found[1].strip(" \t*_`.\u3002")
    return None


def read_grade(text: str, own: str, grades: Grades, *, whole: bool = True) -> float | None:
    """The grade in a judge's answer: after its id, one of the grades, also as "4/5"; else None. Never raises."""
    said = read_line(text, own, whole=whole)
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)(?:\s*/\s*([0-9]{1,3}(?:\.0)?))?", said or "")
    if found is None or (found[2] and float(found[2]) != grades.high):
        return None
    value = float(found[1])
    return next((grade for grade in grades.values if abs(grade - value) < 1e-6), None)


def read_letter(text: str, own: str, letters: Sequence[str], *, whole: bool = True) -> str | None:
    """The letter in a judge's answer: after its id, one of `letters`, in brackets or not; else None. Never raises."""
    said = read_line(text, own, whole=whole) or ""
    letter = re.sub(r"\A(?:Answer\s)?[\[(]{0,2}([A-Za-z])[\])]{0,2}\Z", r"\1", said).upper()
    return letter if letter in letters else None
