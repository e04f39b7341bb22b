from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.effect import Effect
from assay.stats.ratings.leaderboard import (
    Intervals,
    Leaderboard,
    RatingScale,
    elo_leaderboard,
    leaderboard,
    rank_ranges,
)
from assay.stats.ratings.rating_models import elo
from assay.stats.ratings.votes import PairwiseVotes, votes
from vote_examples import counted_out, drawn_votes


def by_name(board: Leaderboard) -> dict[str, Effect]:
    return {standing.model: standing.rating for standing in board.standings}


def slow_elo(ballots: PairwiseVotes, k: float, start: float) -> dict[str, float]:
    """Elo's definition, with expected scores of both sides."""
    ratings = dict.fromkeys(ballots.models, start)
    for i, j, y, w in zip(ballots.first, ballots.second, ballots.outcome, ballots.weight, strict=True):
        a, b = ballots.models[i], ballots.models[j]
        strength_a, strength_b = 10 ** (ratings[a] / 400), 10 ** (ratings[b] / 400)
        ratings[a] += k * w * (y - strength_a / (strength_a + strength_b))
        ratings[b] += k * w * ((1 - y) - strength_b / (strength_a + strength_b))
    return ratings


ARENA_RANK = {
    # model: rating, low, high. arena-rank 0.1.1 (which needs jax, so it is no dependency of ours), of counted_out():
    #   data = pandas.DataFrame(...)  # model_a, model_b, winner
    #   pairs = PairDataset.from_pandas(data)
    #   BradleyTerry(5, hessian_reg=1e-6, ftol=0, gtol=1e-12).compute_ratings_and_cis(pairs)
    "m0": (759.0645176987855, 717.7560886884036, 800.3729467091675),
    "m1": (860.4819428663404, 822.0271765608705, 898.9367091718103),
    "m2": (976.8726839960218, 937.5566258603033, 1016.1887421317404),
    "m3": (1116.3644801506564, 1078.1713312416946, 1154.5576290596182),
    "m4": (1287.2163752881954, 1238.8482476324295, 1335.5845029439613),
}
ARENA_RANK_STYLE = {
    #   data["x"] is divided by its root mean square
    #   pairs = ContextualPairDataset.from_pandas(data, ["x"], min_pair_count=20, normalize_features=False)
    #   ContextualBradleyTerry(5, 1, reg=0.0, hessian_reg=1e-7, ftol=0, gtol=1e-12).compute_ratings_and_cis(pairs)
    # Its weights: 1 / max(votes of the pair, 20), of mean 1. Coefficient 1.025402132722384.
    "m0": (702.4173365603532, 656.3566593354815, 748.4780137852249),
    "m1": (853.4368569066605, 811.4445361032142, 895.4291777101068),
    "m2": (980.9680090827236, 940.932465455677, 1021.0035527097702),
    "m3": (1125.68040973363, 1085.5635206470201, 1165.79729882024),
    "m4": (1337.497387716633, 1283.6052817301431, 1391.3894937031232),
}


def test_ratings_and_sandwich_intervals_equal_stored_ones_of_arena_rank() -> None:
    first, second, outcomes, _ = counted_out()
    ratings = by_name(leaderboard(votes(first, second, outcomes), intervals=Intervals("sandwich")))
    for model, numbers in ARENA_RANK.items():
        ours = (ratings[model].estimate, ratings[model].low, ratings[model].high)
        assert ours == pytest.approx(numbers, abs=2e-3)


def test_style_control_with_weights_equals_stored_ratings_of_arena_rank() -> None:
    first, second, outcomes, x = counted_out()
    pairs = [tuple(sorted(pair)) for pair in zip(first, second, strict=True)]
    weights = np.array([1 / max(pairs.count(pair), 20) for pair in pairs])
    ballots = votes(first, second, outcomes, weights / weights.mean(), {"x": x})
    board = leaderboard(ballots, intervals=Intervals("sandwich"))
    ratings = by_name(board)
    for model, numbers in ARENA_RANK_STYLE.items():
        ours = (ratings[model].estimate, ratings[model].low, ratings[model].high)
        assert ours == pytest.approx(numbers, abs=1e-3)
    assert [name for name, _ in board.controls] == ["x"]
    assert board.controls[0][1].estimate == pytest.approx(1.025402132722384, abs=1e-6)


def test_intervals_agree_if_the_model_is_correct() -> None:
    ballots = drawn_votes(4, 4000, 1, ties=0.0)
    boards = [by_name(leaderboard(ballots, intervals=Intervals(kind))) for kind in ("bootstrap", "sandwich", "fisher")]
    for model in ballots.models:
        widths = [ratings[model].high - ratings[model].low for ratings in boards]  # type: ignore[operator]
        assert max(widths) / min(widths) < 1.1


@pytest.mark.full
def test_rating_intervals_have_nominal_coverage() -> None:
    """Coverage over 300 data sets (bootstrap: 60) of three models; bounds are three standard errors or more."""
    strengths = np.array([0.0, 0.5, -0.5])
    truth = 1000 + 400 / math.log(10) * strengths
    covered = {"bootstrap": 0, "sandwich": 0}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        a = rng.integers(0, 3, 300)
        b = (a + rng.integers(1, 3, 300)) % 3
        won = rng.random(300) < 1 / (1 + np.exp(strengths[b] - strengths[a]))
        ballots = votes([f"m{i}" for i in a], [f"m{i}" for i in b], won.astype(float))
        for kind in covered if seed < 60 else ["sandwich"]:
            ratings = by_name(leaderboard(ballots, intervals=Intervals(kind, resamples=120, seed=seed)))  # type: ignore[arg-type]
            for nth, value in enumerate(truth):
                rating = ratings[f"m{nth}"]
                assert rating.low is not None
                assert rating.high is not None
                covered[kind] += rating.low <= value <= rating.high
    assert 0.925 <= covered["sandwich"] / 900 <= 0.975
    assert 0.88 <= covered["bootstrap"] / 180 <= 0.99


def test_the_anchor_has_a_fixed_rating() -> None:
    ballots = drawn_votes(4, 400, 5)
    for kind in ("bootstrap", "sandwich"):
        plain = by_name(leaderboard(ballots, intervals=Intervals(kind, 100)))  # type: ignore[arg-type]
        anchored = by_name(
            leaderboard(ballots, scale=RatingScale(anchor="m2", at=1114), intervals=Intervals(kind, 100))  # type: ignore[arg-type]
        )
        assert (anchored["m2"].estimate, anchored["m2"].low, anchored["m2"].high) == (1114, 1114, 1114)
        shifts = [anchored[name].estimate - plain[name].estimate for name in ballots.models]
        assert shifts == pytest.approx([shifts[0]] * 4)
    with pytest.raises(ValueError, match="'m9'"):
        leaderboard(ballots, scale=RatingScale(anchor="m9"))


@pytest.mark.parametrize("kind", ["bootstrap", "sandwich"])
def test_ranks_do_not_depend_on_the_anchor(kind: str) -> None:
    """Differences to an anchor with few votes are uncertain, the order of the other models is not."""
    rng = np.random.default_rng(0)
    won = rng.random(400) < 0.75
    first, second, outcomes = ["a"] * 400 + ["z"] * 2, ["b"] * 400 + ["a", "b"], [*won.astype(float), 0.0, 1.0]
    ballots = votes(first, second, outcomes)
    intervals = Intervals(kind, 100)  # type: ignore[arg-type]
    boards = [
        leaderboard(ballots, scale=RatingScale(anchor=name), intervals=intervals) for name in (None, "a", "b", "z")
    ]
    ranks = [{standing.model: (standing.best, standing.worst) for standing in board.standings} for board in boards]
    assert ranks[0]["a"][1] < ranks[0]["b"][0] or ranks[0]["a"][0] < ranks[0]["b"][1]
    assert all(board_ranks == ranks[0] for board_ranks in ranks)


def test_infinite_parameters_are_rejected_and_large_ones_are_valid() -> None:
    ballots = votes(["a", "a"], ["b", "b"], [1, 0])
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError):  # noqa: PT011
            elo(ballots, k=value)
        with pytest.raises(ValueError):  # noqa: PT011
            elo(ballots, start=value)
        with pytest.raises(ValueError):  # noqa: PT011
            leaderboard(ballots, prior=value)
        with pytest.raises(ValueError):  # noqa: PT011
            RatingScale(mean=value)
    steep = votes(["a"] * 5, ["b"] * 5, [1, 1, 0, 1, 0])
    assert np.isfinite(elo(steep, k=1e9)).all()
    assert np.isfinite([standing.rating.low for standing in elo_leaderboard(steep, k=1e9).standings]).all()  # type: ignore[list-item]


def test_rating_scale_has_the_mean_and_400_points_per_factor_of_ten() -> None:
    ballots = votes(["a"] * 11, ["b"] * 11, [1.0] * 10 + [0.0])
    ratings = by_name(leaderboard(ballots, scale=RatingScale(mean=1500), intervals=Intervals("fisher")))
    assert ratings["a"].estimate - ratings["b"].estimate == pytest.approx(400)
    assert ratings["a"].estimate + ratings["b"].estimate == pytest.approx(3000)


def test_leaderboard_has_votes_win_rates_and_strengths() -> None:
    ballots = votes(["a", "a", "c", "b"], ["b", "b", "a", "c"], [1, 0.5, 1, 1], weights=[2, 1, 1, 1])
    standings = {
        standing.model: standing for standing in leaderboard(ballots, intervals=Intervals("sandwich")).standings
    }
    assert {name: standing.votes for name, standing in standings.items()} == {"a": 3, "b": 3, "c": 2}
    assert standings["a"].win_rate == pytest.approx(2.5 / 4)
    assert sum(standing.strength or 0 for standing in standings.values()) == pytest.approx(1)


def slow_ranges(rows: list[tuple[float, float]]) -> list[tuple[int, int]]:
    ranges = []
    for low, high in rows:
        best = 1 + sum(other_low > high for other_low, _ in rows)
        worst = len(rows) - sum(other_high < low for _, other_high in rows)
        ranges.append((best, worst))
    return ranges


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 3)), min_size=1, max_size=12))
def test_rank_ranges_equal_a_slow_implementation(rows: list[tuple[float, float]]) -> None:
    spans = [(center - half, center + half) for center, half in rows]
    effects = [Effect((a + b) / 2, a, b, 9, 0.95, "test") for a, b in spans]
    ranges = rank_ranges(effects)
    assert ranges == slow_ranges(spans)
    assert all(1 <= best <= worst <= len(rows) for best, worst in ranges)
    assert rank_ranges([Effect(0.0, None, None, 1, 0.95, "test")] * 3) == [(1, 3)] * 3


def test_resamples_without_a_maximum_are_counted_and_finite() -> None:
    """'c' lost one of ten votes: a third of all resamples do not include that vote."""
    first, second = ["a"] * 40 + ["c"] * 10, ["b"] * 40 + ["a"] * 10
    ballots = votes(first, second, [1.0, 0.0] * 20 + [1.0] * 9 + [0.0])
    board = leaderboard(ballots, intervals=Intervals(resamples=300))
    assert 60 < board.unbounded < 150
    assert all(np.isfinite([standing.rating.low, standing.rating.high]).all() for standing in board.standings)  # type: ignore[list-item]
    assert board.standings[0].model == "c"
    assert board.standings[0].rating.high - board.standings[0].rating.estimate > 200  # type: ignore[operator]


def test_leaderboard_is_reproducible_and_depends_little_on_the_seed() -> None:
    ballots = drawn_votes(4, 500, 2)
    board, same, other = (leaderboard(ballots, intervals=Intervals(resamples=400, seed=seed)) for seed in (1, 1, 2))
    assert board == same
    assert board != other
    for a, b in zip(board.standings, other.standings, strict=True):
        assert a.rating.low == pytest.approx(b.rating.low, abs=15)


def test_one_vote_has_no_interval() -> None:
    ballots = votes(["a"], ["b"], [0.5])
    assert all(standing.rating.low is None for standing in leaderboard(ballots).standings)
    assert all(standing.rating.low is None for standing in elo_leaderboard(ballots).standings)


@given(st.integers(2, 6), st.integers(1, 80), st.integers(0, 999), st.floats(1, 64))
def test_elo_equals_a_slow_implementation_and_keeps_its_mean(models: int, n: int, seed: int, k: float) -> None:
    ballots = drawn_votes(models, n, seed)
    slow = slow_elo(ballots, k, 1000.0)
    ratings = elo(ballots, k=k)
    assert ratings == pytest.approx([slow[name] for name in ballots.models])
    assert ratings.mean() == pytest.approx(1000)


def test_elo_depends_on_the_order_of_votes() -> None:
    won_last = votes(["a"] * 2, ["b"] * 2, [0, 1])
    won_first = votes(["a"] * 2, ["b"] * 2, [1, 0])
    assert elo(won_last, k=32)[0] > 1000 > elo(won_first, k=32)[0]


def test_elo_equals_evalica() -> None:
    evalica = pytest.importorskip("evalica")
    ballots = drawn_votes(6, 400, 4)
    words = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    columns = ([ballots.models[i] for i in ballots.first], [ballots.models[i] for i in ballots.second])
    scores = evalica.elo(*columns, [words[y] for y in ballots.outcome], k=4.0).scores
    assert elo(ballots) == pytest.approx(scores[list(ballots.models)].to_numpy(), abs=1e-9)


def test_elo_intervals_are_reproducible_and_need_a_bootstrap() -> None:
    ballots = drawn_votes(4, 500, 6)
    board = elo_leaderboard(ballots, intervals=Intervals(resamples=100))
    assert board == elo_leaderboard(ballots, intervals=Intervals(resamples=100))
    assert all(standing.rating.low < standing.rating.high for standing in board.standings)  # type: ignore[operator]
    assert all(
        standing.rating.low is None for standing in elo_leaderboard(ballots, intervals=Intervals(resamples=0)).standings
    )
    with pytest.raises(ValueError):  # noqa: PT011
        elo_leaderboard(ballots, intervals=Intervals("sandwich"))
    with pytest.raises(ValueError):  # noqa: PT011
        elo(ballots, k=0)
