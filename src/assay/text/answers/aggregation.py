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
    """Majority vote over sampled answers."""

    value: str | None
    """Majority answer; None if no sample could be parsed."""
    votes: int
    """Votes of the majority answer."""
    n: int
    """Number of samples, including unparsed ones."""
    unparsed: int
    """Number of unparsed samples."""
    counts: tuple[tuple[str, int], ...]
    """Answers and their votes, in order of first occurrence."""

    @property
    def tied(self) -> bool:
        """Whether another answer has as many votes, so that the order of samples decides."""
        return sum(count == self.votes for _, count in self.counts) > 1


def vote(answers: Sequence[Extracted | str | None], same: Callable[[str, str], bool] = eq) -> Vote:
    """Majority vote over extracted answers, one per sample; of equal counts the first answer wins.

    Unparsed samples (None) are counted and do not vote; in lm-evaluation-harness "[invalid]" may win. `same` decides
    whether two answers are equal: extracted numbers and letters are normalized, so equality suffices; for text spans
    use `same_text`. Answers are compared with the first of each group.

    Source: Wang et al. 2023, "Self-Consistency Improves Chain of Thought Reasoning", section 2, the unweighted sum.
    """
    counts: dict[str, int] = {}
    for answer in answers:
        if answer is None:
            continue
        value = answer.value if isinstance(answer, Extracted) else answer
        group = value if same is eq else next((first for first in counts if same(first, value)), value)
        counts[group] = counts.get(group, 0) + 1
    winner = max(counts, key=lambda value: counts[value], default=None)
    unparsed = sum(answer is None for answer in answers)
    return Vote(
        winner, counts.get(winner, 0) if winner is not None else 0, len(answers), unparsed, tuple(counts.items())
    )


def semantic_clusters(n: int, same: Callable[[int, int], bool]) -> tuple[int, ...]:
    """Cluster of each of n answers: the first cluster whose first answer is equivalent, else a new one.

    `same(a, b)` is bidirectional entailment of an earlier and a later answer.

    Source: Farquhar et al. 2024, "Detecting hallucinations in large language models using semantic entropy", extended
    data algorithm 1; Kuhn, Gal and Farquhar 2023, algorithm 1.
    """
    firsts: list[int] = []
    clusters: list[int] = []
    for nth in range(n):
        cluster = next((cluster for cluster, first in enumerate(firsts) if same(first, nth)), len(firsts))
        if cluster == len(firsts):
            firsts.append(nth)
        clusters.append(cluster)
    return tuple(clusters)


def semantic_entropy(groups: Sequence[int], log_probs: Sequence[float] | None = None) -> float:
    """Entropy over semantic clusters in nats, from 0 if all answers are equivalent to log n.

    Args:
        groups: Cluster of each answer.
        log_probs: Mean token log-probability of each answer (length-normalized); None for equal weights ("discrete").

    Raises:
        ValueError: There are no answers, or the lengths differ.

    Source: Farquhar et al. 2024, equations 5 and 6 (normalized cluster probabilities) and "discrete semantic
    entropy" in their methods.
    """
    if not groups or (log_probs is not None and len(log_probs) != len(groups)):
        raise ValueError("Semantic entropy needs at least one answer, and one log-probability per answer if given.")
    if log_probs is None:
        weights = dict.fromkeys(groups, 0.0) | {group: float(n) for group, n in Counter(groups).items()}
    else:
        top = max(log_probs)
        weights = dict.fromkeys(groups, 0.0)
        for group, value in zip(groups, log_probs, strict=True):
            weights[group] += math.exp(value - top)
    total = math.fsum(weights.values())
    return max(0.0, -math.fsum(w / total * math.log(w / total) for w in weights.values() if w > 0))
