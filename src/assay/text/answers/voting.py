"""One answer of many samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import eq

from assay.text.answers.extraction import Extracted


@dataclass(frozen=True)
class Vote:
    """What most samples answered."""

    value: str | None
    """None where no sample could be read."""
    votes: int
    """How many answered so."""
    n: int
    """Samples, those that could not be read among them."""
    unparsed: int
    """Samples that could not be read."""
    counts: tuple[tuple[str, int], ...]
    """Every answer as it was first written, and its votes, in the order in which they were first seen."""

    @property
    def tied(self) -> bool:
        """Whether another answer has as many votes, so that the order of the samples decided."""
        return sum(count == self.votes for _, count in self.counts) > 1


def vote(answers: Sequence[Extracted | str | None], same: Callable[[str, str], bool] = eq) -> Vote:
    """The majority of extracted answers, one a sample; of equals the one seen first.

    A sample that could not be read, None, is counted and never votes; lm-evaluation-harness lets "[invalid]" win.
    `same` says which answers are one: numbers and letters that were extracted are written in one way, and plain
    equality does; for spans use `same_text`. Answers are compared with the first of each kind.

    Source: Wang et al. 2023, "Self-Consistency Improves Chain of Thought Reasoning", section 2, the unweighted sum.
    """
    counts: dict[str, int] = {}
    for answer in answers:
        if answer is None:
            continue
        value = answer.value if isinstance(answer, Extracted) else answer
        known = value if same is eq else next((seen for seen in counts if same(seen, value)), value)
        counts[known] = counts.get(known, 0) + 1
    winner = max(counts, key=lambda value: counts[value], default=None)
    unparsed = sum(answer is None for answer in answers)
    return Vote(
        winner, counts.get(winner, 0) if winner is not None else 0, len(answers), unparsed, tuple(counts.items())
    )
