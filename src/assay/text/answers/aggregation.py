"""Aggregation of sampled answers: majority vote, semantic clusters and semantic entropy."""

from __future__ import annotations

import math
from collections import Counter
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


def grouped(n: int, same: Callable[[int, int], bool]) -> tuple[int, ...]:
    """The group of each of n answers: of the first group whose first answer means the same, or else a new one.

    `same(a, b)` of an earlier and a later answer says whether each follows from the other.

    Source: Farquhar et al. 2024, "Detecting hallucinations in large language models using semantic entropy", extended
    data algorithm 1; Kuhn, Gal and Farquhar 2023, algorithm 1.
    """
    firsts: list[int] = []
    found: list[int] = []
    for nth in range(n):
        group = next((group for group, first in enumerate(firsts) if same(first, nth)), len(firsts))
        if group == len(firsts):
            firsts.append(nth)
        found.append(group)
    return tuple(found)


def semantic_entropy(groups: Sequence[int], log_probs: Sequence[float] | None = None) -> float:
    """Shannon's entropy over groups of meaning, in nats: 0 where all answers mean one thing, at most log n.

    Args:
        groups: The group of each answer.
        log_probs: Of each answer, a token (the mean, so that long answers are not out of the race); where None, every
            answer weighs the same ("discrete").

    Raises:
        ValueError: There is no answer, or not one log-probability for each.

    Source: Farquhar et al. 2024, equations 5 and 6 (shares of groups by probability, normalized) and "discrete semantic
    entropy" in their methods.
    """
    if not groups or (log_probs is not None and len(log_probs) != len(groups)):
        raise ValueError("Entropy needs one answer or more, and as many log-probabilities, if any.")
    if log_probs is None:
        weights = dict.fromkeys(groups, 0.0) | {group: float(n) for group, n in Counter(groups).items()}
    else:
        top = max(log_probs)
        weights = dict.fromkeys(groups, 0.0)
        for group, value in zip(groups, log_probs, strict=True):
            weights[group] += math.exp(value - top)
    total = math.fsum(weights.values())
    return max(0.0, -math.fsum(w / total * math.log(w / total) for w in weights.values() if w > 0))
