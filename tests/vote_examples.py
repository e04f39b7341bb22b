"""Votes for tests: drawn, small, and the same on every machine."""

from __future__ import annotations

import numpy as np

from assay.stats.ratings.votes import PairwiseVotes, votes


def drawn_votes(models: int, n: int, seed: int, *, ties: float = 0.2, spread: float = 1.0) -> PairwiseVotes:
    """n votes by Bradley and Terry's model, a share of them made ties."""
    rng = np.random.default_rng(seed)
    strengths = rng.normal(0, spread, models)
    a = rng.integers(0, models, n)
    b = (a + rng.integers(1, models, n)) % models
    won = rng.random(n) < 1 / (1 + np.exp(strengths[b] - strengths[a]))
    outcome = np.where(rng.random(n) < ties, 0.5, won.astype(float))
    return votes([f"m{i}" for i in a], [f"m{i}" for i in b], outcome)


def counted_out(n: int = 600, models: int = 5) -> tuple[list[str], list[str], list[float], list[float]]:
    """First models, second models, outcomes and a covariate, from a linear congruential generator."""
    state = 1
    first, second, outcomes, covariate = [], [], [], []

    def below(limit: int) -> int:
        nonlocal state
        state = (1103515245 * state + 12345) % 2**31
        return (state >> 8) % limit

    while len(first) < n:
        a, b = below(models), below(models)
        if a == b:
            continue
        x = (below(2001) - 1000) / 1000
        lean = a - b + 2 * x
        luck = below(1000) / 1000 * 6 - 3
        first.append(f"m{a}")
        second.append(f"m{b}")
        outcomes.append(0.5 if abs(lean - luck) < 0.5 else float(lean > luck))
        covariate.append(x)
    return first, second, outcomes, covariate
