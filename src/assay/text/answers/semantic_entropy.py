"""Answers that mean the same: their groups, and how spread out they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence


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
