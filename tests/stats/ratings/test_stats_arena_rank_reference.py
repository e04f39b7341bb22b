"""Arena's library as a reference. It needs jax, so it is no dependency: `pip install arena-rank` runs these tests.

Its results for one data set are stored in test_stats_leaderboard.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from assay.stats.ratings.leaderboard import Intervals, Leaderboard, leaderboard
from assay.stats.ratings.votes import PairwiseVotes, votes
from vote_examples import drawn_votes

WORDS = {1.0: "model_a", 0.0: "model_b", 0.5: "tie"}
CLOSE = 5e-3
"""Elo points; its ridge penalty changes the last digits."""


@pytest.fixture
def arena_rank() -> Any:
    pytest.importorskip("arena_rank", reason="arena-rank is not installed")
    from arena_rank.models import bradley_terry, contextual_bradley_terry
    from arena_rank.utils import data_utils

    return bradley_terry.BradleyTerry, contextual_bradley_terry.ContextualBradleyTerry, data_utils


def table(ballots: PairwiseVotes, **columns: Any) -> Any:
    import pandas

    names = np.array(ballots.models)
    winner = [WORDS[y] for y in ballots.outcome]
    return pandas.DataFrame(
        {"model_a": names[ballots.first], "model_b": names[ballots.second], "winner": winner, **columns}
    )


def rows(board: Leaderboard) -> dict[str, tuple[float | None, ...]]:
    return {
        standing.model: (standing.rating.estimate, standing.rating.low, standing.rating.high)
        for standing in board.standings
    }


def theirs(fit: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    columns = (fit["ratings"], fit["rating_lower"], fit["rating_upper"])
    return dict(
        zip(fit["competitors"], zip(*(np.asarray(column).tolist() for column in columns), strict=True), strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
def test_ratings_and_sandwich_intervals_equal_arena_rank(arena_rank: Any, seed: int) -> None:
    plain, _, data = arena_rank
    ballots = drawn_votes(4 + seed, 800, seed, ties=0.3)
    pairs = data.PairDataset.from_pandas(table(ballots))
    expected = theirs(plain(len(ballots.models), hessian_reg=1e-6, ftol=0, gtol=1e-12).compute_ratings_and_cis(pairs))
    ours = rows(leaderboard(ballots, intervals=Intervals("sandwich")))
    assert ours.keys() == expected.keys()
    for name, numbers in expected.items():
        assert ours[name] == pytest.approx(numbers, abs=CLOSE)


@pytest.mark.parametrize("seed", range(3))
def test_style_control_equals_arena_rank(arena_rank: Any, seed: int) -> None:
    """Two covariates with planted effects; weights are 1 / max(votes of the pair, 20), scaled to a mean of 1."""
    _, styled, data = arena_rank
    ballots, x = planted(seed)
    pairs = data.ContextualPairDataset.from_pandas(
        table(ballots, **x), list(x), min_pair_count=20, normalize_features=False
    )
    model = styled(len(ballots.models), len(x), reg=0.0, hessian_reg=1e-7, ftol=0, gtol=1e-12)
    fit = model.compute_ratings_and_cis(pairs)
    board = leaderboard(ballots, intervals=Intervals("sandwich"))
    for name, numbers in theirs(fit).items():
        assert rows(board)[name] == pytest.approx(numbers, abs=CLOSE)
    coefficients = [effect.estimate for _, effect in board.controls]
    assert coefficients == pytest.approx(np.asarray(model.params["coeffs"]).tolist(), abs=1e-5)
    assert coefficients == pytest.approx([1.0, -0.5], abs=0.25)


def planted(seed: int) -> tuple[PairwiseVotes, dict[str, Any]]:
    """Votes on four models by strength, length (+1 per root mean square) and headings (-0.5)."""
    rng = np.random.default_rng(seed)
    n, strengths = 1500, np.array([-0.6, 0.0, 0.2, 0.4])
    a = rng.integers(0, 4, n)
    b = (a + rng.integers(1, 4, n)) % 4
    raw = {"length": rng.normal(size=n), "headings": rng.normal(size=n)}
    x = {name: column / np.sqrt((column**2).mean()) for name, column in raw.items()}
    odds = strengths[a] - strengths[b] + x["length"] - 0.5 * x["headings"]
    outcome = np.where(rng.random(n) < 0.1, 0.5, rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    pairs = [frozenset(pair) for pair in zip(a, b, strict=True)]
    vote_counts = Counter(pairs)
    weight = np.array([1 / max(vote_counts[pair], 20) for pair in pairs])
    return votes([f"m{i}" for i in a], [f"m{i}" for i in b], outcome, weight / weight.mean(), x), x
