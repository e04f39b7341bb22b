from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from assay.stats.ratings.rating_models import bradley_terry
from assay.stats.ratings.votes import Cells, PairwiseVotes, cells, no_maximum, votes
from vote_examples import drawn_votes

SEEDS = st.integers(0, 10_000)


def slow_strengths(ballots: PairwiseVotes, rounds: int = 20_000) -> np.ndarray:
    """Zermelo's iteration, one vote at a time; a tie is half a win each."""
    m = len(ballots.models)
    p = np.full(m, 1 / m)
    for _ in range(rounds):
        wins, losses = np.zeros(m), np.zeros(m)
        for a, b, y, w in zip(ballots.first, ballots.second, ballots.outcome, ballots.weight, strict=True):
            both = p[a] + p[b]
            wins[a] += w * y
            wins[b] += w * (1 - y)
            losses[a] += w / both
            losses[b] += w / both
        new = wins / losses
        new /= new.sum()
        if np.abs(new - p).max() < 1e-13:
            break
        p = new
    return p


def slow_davidson(ballots: PairwiseVotes) -> tuple[np.ndarray, float]:
    """Strengths and nu of Davidson's model by a general optimizer."""
    m = len(ballots.models)

    def loss(v: np.ndarray) -> float:
        p, nu = np.exp(v[:m]), math.exp(v[m])
        total = 0.0
        for a, b, y in zip(ballots.first, ballots.second, ballots.outcome, strict=True):
            draw = nu * math.sqrt(p[a] * p[b])
            won = p[a] if y == 1 else p[b] if y == 0 else draw
            total -= math.log(won / (p[a] + p[b] + draw))
        return total + 1e-9 * float(v[:m].sum()) ** 2

    optimum = minimize(loss, np.zeros(m + 1), method="BFGS", options={"gtol": 1e-7}).x
    p = np.exp(optimum[:m])
    return p / p.sum(), math.exp(optimum[m])


def slow_connected(counts: Cells) -> bool:
    """Whether every model is reachable from every other along wins and ties."""
    edges = set()
    for a, b, outcome in zip(counts.a, counts.b, counts.outcome, strict=True):
        edges |= {(a, b)} if outcome == 1 else {(b, a)} if outcome == 0 else {(a, b), (b, a)}
    for start in range(len(counts.models)):
        reached = {start}
        while new := {b for a, b in edges if a in reached} - reached:
            reached |= new
        if len(reached) < len(counts.models):
            return False
    return True


def connected_votes(models: int, n: int, seed: int) -> PairwiseVotes:
    ballots = drawn_votes(models, n, seed)
    assume(len(ballots.models) == models and no_maximum(cells(ballots)) is None)
    return ballots


@settings(max_examples=15)
@given(st.integers(2, 5), SEEDS)
def test_strengths_equal_the_iteration_of_zermelo(models: int, seed: int) -> None:
    ballots = connected_votes(models, 60, seed)
    assert bradley_terry(ballots).strengths == pytest.approx(slow_strengths(ballots), abs=1e-8)


@settings(max_examples=8)
@given(st.integers(2, 4), SEEDS)
def test_davidson_model_equals_a_general_optimizer(models: int, seed: int) -> None:
    ballots = connected_votes(models, 80, seed)
    assume((ballots.outcome == 0.5).any())
    fitted, (strengths, nu) = bradley_terry(ballots, ties="davidson"), slow_davidson(ballots)
    assert fitted.tie == pytest.approx(nu, rel=1e-3)
    assert fitted.strengths == pytest.approx(strengths, abs=1e-4)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 500))
def test_two_models_have_a_closed_form(wins: int, losses: int, draws: int) -> None:
    n = wins + losses + draws
    outcomes = [1.0] * wins + [0.0] * losses + [0.5] * draws
    ballots = votes(["a"] * n, ["b"] * n, outcomes)
    odds = (wins + draws / 2) / (losses + draws / 2)
    assert bradley_terry(ballots).strengths == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], rel=1e-10)
    davidson = bradley_terry(ballots, ties="davidson")
    assert np.diff(davidson.log_strengths)[0] == pytest.approx(math.log(losses / wins), abs=1e-9)
    assert davidson.tie == pytest.approx(draws / math.sqrt(wins * losses), rel=1e-9)


@given(st.integers(2, 6), SEEDS, st.sampled_from(["half", "davidson"]))
def test_order_of_votes_and_sides_does_not_matter(models: int, seed: int, ties: str) -> None:
    ballots = connected_votes(models, 120, seed)
    rng = np.random.default_rng(seed)
    order, swapped = rng.permutation(len(ballots)), rng.random(len(ballots)) < 0.5
    names = np.array(ballots.models)
    a, b = names[ballots.first], names[ballots.second]
    other = votes(
        list(np.where(swapped, b, a)[order]),
        list(np.where(swapped, a, b)[order]),
        np.where(swapped, 1 - ballots.outcome, ballots.outcome)[order],
    )
    ours, theirs = bradley_terry(ballots, ties=ties), bradley_terry(other, ties=ties)  # type: ignore[arg-type]
    assert ours.log_strengths == pytest.approx(theirs.log_strengths, abs=1e-9)
    assert ours.tie == pytest.approx(theirs.tie)


@given(st.integers(2, 6), SEEDS)
def test_names_do_not_matter_and_opposite_outcomes_negate_strengths(models: int, seed: int) -> None:
    ballots = connected_votes(models, 120, seed)
    names = [f"z{models - nth}" for nth in range(models)]  # in reverse alphabetical order
    renamed = votes([names[i] for i in ballots.first], [names[i] for i in ballots.second], ballots.outcome)
    swapped = votes([names[i] for i in ballots.first], [names[i] for i in ballots.second], 1 - ballots.outcome)
    ours = bradley_terry(ballots).log_strengths
    assert bradley_terry(renamed).log_strengths[::-1] == pytest.approx(ours, abs=1e-9)
    assert bradley_terry(swapped).log_strengths[::-1] == pytest.approx(-ours, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(2, 5), SEEDS)
def test_a_weight_of_two_equals_a_repeated_vote(models: int, seed: int) -> None:
    ballots = connected_votes(models, 60, seed)
    names = [ballots.models[i] for i in ballots.first], [ballots.models[i] for i in ballots.second]
    heavy = np.arange(len(ballots)) % 3 == 0
    weighted = votes(*names, ballots.outcome, np.where(heavy, 2.0, 1.0))
    repeated = [np.concatenate([np.array(side), np.array(side)[heavy]]) for side in (*names, ballots.outcome)]
    fitted = bradley_terry(weighted).log_strengths
    assert fitted == pytest.approx(bradley_terry(votes(*map(list, repeated))).log_strengths, abs=1e-9)  # type: ignore[arg-type]


@settings(max_examples=10)
@given(st.integers(2, 4), SEEDS, st.floats(0.0, 2.0))
def test_covariates_equal_a_logistic_regression(models: int, seed: int, prior: float) -> None:
    rng = np.random.default_rng(seed)
    plain = connected_votes(models, 150, seed)
    names = [plain.models[i] for i in plain.first], [plain.models[i] for i in plain.second]
    ballots = votes(*names, plain.outcome, covariates={"length": rng.normal(2, 3, 150), "lists": rng.normal(0, 1, 150)})
    x = np.zeros((150, models + 2))
    x[np.arange(150), ballots.first], x[np.arange(150), ballots.second] = 1, -1
    x[:, models:] = ballots.covariates

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        odds = x @ v
        value = -(ballots.outcome @ log_expit(odds) + (1 - ballots.outcome) @ log_expit(-odds)) + prior * (v @ v) / 2
        return value, x.T @ (expit(odds) - ballots.outcome) + prior * v

    oracle = minimize(loss, np.zeros(models + 2), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    fitted = bradley_terry(ballots, prior=prior)
    assert fitted.coefficients == pytest.approx(oracle[models:], abs=1e-5)
    assert fitted.log_strengths == pytest.approx(oracle[:models] - oracle[:models].mean(), abs=1e-5)


def test_style_control_removes_the_effect_of_length() -> None:
    """Voters who prefer length rate equal models: only controlled ratings are equal."""
    rng = np.random.default_rng(0)
    n = 4000
    length = rng.normal(1.5, 1, n)  # length of 'wordy' minus that of 'plain'
    outcome = (rng.random(n) < expit(length)).astype(float)
    ballots = votes(["wordy"] * n, ["plain"] * n, outcome, covariates={"length": length})
    raw = bradley_terry(votes(["wordy"] * n, ["plain"] * n, outcome))
    controlled = bradley_terry(ballots)
    assert raw.log_strengths[1] - raw.log_strengths[0] > 1
    assert abs(controlled.log_strengths[1] - controlled.log_strengths[0]) < 0.15
    assert controlled.coefficients[0] == pytest.approx(math.sqrt((length**2).mean()), rel=0.1)


def test_likelihood_without_a_maximum_names_the_models() -> None:
    def message(pairs: list[tuple[str, str]], outcomes: list[float], **options: object) -> str:
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            bradley_terry(votes([a for a, _ in pairs], [b for _, b in pairs], outcomes), **options)  # type: ignore[arg-type]
        return str(caught.value)

    chain = [("a", "b"), ("b", "c"), ("c", "b")]
    assert re.findall(r"'(\w)'", message(chain, [1, 1, 1])) == ["a", "b", "c"]
    assert re.findall(r"'(\w)'|(\d)", message([("a", "b"), ("c", "d")], [0.5, 0.5]))[0] == ("", "2")
    assert re.findall(r"'(\w)'", message([("a", "b"), ("c", "d")], [0.5, 0.5])) == ["a", "b", "c", "d"]
    assert "tie" in message([("a", "b")] * 2, [0.5, 0.5], ties="davidson")
    assert "tie" in message([("a", "b")] * 2, [1, 0.5], ties="davidson")
    assert "-1" in message([("a", "b")] * 2, [1, 0], prior=-1)


@given(st.integers(2, 7), st.integers(1, 25), SEEDS)
def test_a_maximum_exists_if_the_votes_are_connected(models: int, n: int, seed: int) -> None:
    counts = cells(drawn_votes(models, n, seed, ties=0.1, spread=3))
    assert slow_connected(counts) == (no_maximum(counts) is None)


def test_a_separating_covariate_has_no_maximum() -> None:
    signs = np.array([1.0, -1.0, 2.0, -3.0] * 5)
    ballots = votes(["a"] * 20, ["b"] * 20, (signs > 0).astype(float), covariates={"length": signs})
    with pytest.raises(ValueError):  # noqa: PT011
        bradley_terry(ballots)
    assert np.isfinite(bradley_terry(ballots, prior=0.1).coefficients).all()


@pytest.mark.parametrize("ties", ["half", "davidson"])
def test_a_prior_makes_every_strength_finite(ties: str) -> None:
    ballots = votes(["a", "b", "d"], ["b", "c", "e"], [1, 1, 0.5])
    fitted = bradley_terry(ballots, prior=0.1, ties=ties)  # type: ignore[arg-type]
    a, b, c, d, e = fitted.log_strengths
    assert a > b > c
    assert d == pytest.approx(e, abs=1e-12)
    assert bradley_terry(ballots, prior=10).log_strengths[0] < a


@pytest.mark.parametrize(
    ("first", "second", "outcomes", "more", "place"),
    [
        ([], [], [], {}, "0, 0, 0"),
        (["a"], ["b", "c"], [1], {}, "1, 2, 1"),
        (["a"], ["a"], [1], {}, "'a'"),
        (["a"], ["b"], [0.7], {}, "outcomes"),
        (["a"], ["b"], [1], {"weights": [0]}, "weights"),
        (["a"], ["b"], [1], {"covariates": {"x": [math.nan]}}, "'x'"),
        (["a"], ["b"], [1], {"covariates": {"x": [0]}}, "'x'"),
    ],
)
def test_invalid_votes_are_rejected(
    first: list[str], second: list[str], outcomes: list[float], more: dict[str, object], place: str
) -> None:
    with pytest.raises(ValueError, match=place):
        votes(first, second, outcomes, **more)  # type: ignore[arg-type]


def test_strengths_equal_evalica() -> None:
    evalica = pytest.importorskip("evalica")
    ballots = drawn_votes(8, 500, 3)
    words = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    columns = ([ballots.models[i] for i in ballots.first], [ballots.models[i] for i in ballots.second])
    winners = [words[y] for y in ballots.outcome]
    half = evalica.bradley_terry(*columns, winners, tolerance=1e-14, limit=100_000).scores
    fitted = bradley_terry(ballots)
    assert fitted.strengths == pytest.approx((half / half.sum())[list(ballots.models)].to_numpy(), abs=1e-12)
    newman = evalica.newman(*columns, winners, tolerance=1e-14, limit=100_000)
    davidson = bradley_terry(ballots, ties="davidson")
    strengths = (newman.scores / newman.scores.sum())[list(ballots.models)].to_numpy()
    assert davidson.strengths == pytest.approx(strengths, abs=1e-12)
    assert davidson.tie == pytest.approx(2 * newman.v, rel=1e-10)  # Newman 2023 writes 2v for Davidson's nu
