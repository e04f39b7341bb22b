from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score

from assay.stats.inference.intervals import wilson
from assay.stats.ratings.agreement import (
    Correlation,
    Weighting,
    accuracy,
    cohen_kappa,
    correlation,
    position_consistency,
)
from shared_data import shared

SCIPY = {"pearson": pearsonr, "spearman": spearmanr, "kendall": kendalltau}
LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40)


def slow_kappa(a: tuple[int, ...], b: tuple[int, ...], weights: Weighting) -> float:
    cost = {"none": lambda x, y: x != y, "linear": lambda x, y: abs(x - y), "quadratic": lambda x, y: (x - y) ** 2}
    observed = np.mean([cost[weights](x, y) for x, y in zip(a, b, strict=True)])
    expected = np.mean([cost[weights](x, y) for x in a for y in b])
    return float(1 - observed / expected)


@given(LABELS, st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_equals_a_slow_implementation(pairs: list[tuple[int, int]], weights: Weighting) -> None:
    a, b = zip(*pairs, strict=True)
    assume(len({*a, *b}) > 1)
    effect = cohen_kappa(a, b, labels=range(4), weights=weights, resamples=20)
    assert effect.estimate == pytest.approx(slow_kappa(a, b, weights), abs=1e-12)


def test_interval_of_kappa_equals_a_bootstrap_over_items() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 80)
    b = np.where(rng.random(80) < 0.7, a, rng.integers(0, 3, 80))
    effect = cohen_kappa(a.tolist(), b.tolist(), resamples=4000)
    samples = [rng.integers(0, 80, 80) for _ in range(2000)]
    slow = np.quantile([cohen_kappa_score(a[rows], b[rows]) for rows in samples], [0.025, 0.975])
    assert (effect.low, effect.high) == pytest.approx(slow, abs=0.02)


COLUMNS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


@given(COLUMNS, st.sampled_from(["pearson", "spearman", "kendall"]))
def test_correlations_equal_scipy(pairs: list[tuple[int, int]], kind: Correlation) -> None:
    x, y = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    effect = correlation(x, y, kind, resamples=20)
    assert effect.estimate == pytest.approx(SCIPY[kind](x, y).statistic, abs=1e-9)
    swapped = correlation(y, x, kind, resamples=20)
    assert (swapped.low, swapped.high) == (pytest.approx(effect.low), pytest.approx(effect.high))


def weighted_pearson(a: np.ndarray, b: np.ndarray, counts: np.ndarray) -> float:
    u, v = a - counts @ a / counts.sum(), b - counts @ b / counts.sum()
    return float((counts * u * v).sum() / np.sqrt((counts * u**2).sum() * (counts * v**2).sum()))


def weighted_ranks(column: np.ndarray, counts: np.ndarray) -> np.ndarray:
    below = (counts * (column[:, None] > column)).sum(axis=1)
    return below + ((counts * (column[:, None] == column)).sum(axis=1) + 1) / 2


def weighted_tau(a: np.ndarray, b: np.ndarray, counts: np.ndarray) -> float:
    x, y = np.sign(a[:, None] - a), np.sign(b[:, None] - b)
    return float(counts @ (x * y) @ counts / np.sqrt((counts @ x**2 @ counts) * (counts @ y**2 @ counts)))


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from(["pearson", "spearman", "kendall"]))
def test_intervals_of_correlations_equal_weighted_definitions(seed: int, kind: Correlation) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 25).astype(float), rng.normal(size=25)
    effect = correlation(x, y, kind, seed=seed, resamples=40)
    counts = np.random.default_rng(seed).multinomial(25, np.full(25, 1 / 25), size=40).astype(float)
    slow = {
        "pearson": weighted_pearson,
        "spearman": lambda a, b, row: weighted_pearson(weighted_ranks(a, row), weighted_ranks(b, row), row),
        "kendall": weighted_tau,
    }[kind]
    limits = np.quantile([slow(x, y, row) for row in counts], [0.025, 0.975])
    assert (effect.low, effect.high) == pytest.approx(limits, abs=1e-9)


def test_interval_of_a_correlation_has_nominal_coverage() -> None:
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=100)
        y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=100)
        effect = correlation(x, y, "pearson", seed=seed, resamples=500)
        covered += effect.low <= 0.5 <= effect.high  # type: ignore[operator]
    assert 0.885 <= covered / 200 <= 0.985


def test_blocks_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 50))
    whole = correlation(x, y, "spearman", resamples=30)
    monkeypatch.setattr("assay.stats.ratings.agreement._CELLS", 50 * 7)
    assert correlation(x, y, "spearman", resamples=30) == whole


def test_accuracy_has_wilsons_interval() -> None:
    assert accuracy("aabb", "aaba") == wilson(3, 4)


def test_llmbar_published_accuracy_and_agreement() -> None:
    """Zeng et al. 2024, Natural, vanilla prompts: the mean accuracy of both orders, and how often they agree."""
    for judge, expected in (("gpt-4", (95.5, 95.0)), ("chatgpt", (81.5, 71.0))):
        path = shared(f"llmbar-natural-{judge}.jsonl") / f"llmbar-natural-{judge}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        gold, original, swapped = (
            [int(row[k]) for row in rows] for k in ("label", "winner_as_given", "winner_swapped")
        )
        mean_accuracy = (accuracy(original, gold).estimate + accuracy(swapped, gold).estimate) / 2
        consistency = position_consistency(original, swapped)
        assert (100 * mean_accuracy, 100 * consistency.agreement.estimate) == pytest.approx(expected)


def test_a_judge_that_always_prefers_the_first_position_is_inconsistent() -> None:
    consistency = position_consistency([1] * 50, [2] * 50)
    assert consistency.conflict.estimate == consistency.first_place.estimate == 1
    assert consistency.first_place.low > 0.9  # type: ignore[operator]
    assert consistency.first_in_conflicts == wilson(50, 50)


def test_a_consistent_judge_prefers_no_position() -> None:
    consistency = position_consistency([1, 2, 1, 2, 0], [1, 2, 1, 2, 0])
    assert (consistency.conflict.estimate, consistency.first_place.estimate, consistency.first_in_conflicts) == (
        0,
        0.5,
        None,
    )
    assert position_consistency([1, 0], [2, 0]).first_place.estimate == pytest.approx(0.75)


def test_a_tie_in_one_order_is_a_conflict_without_a_position() -> None:
    consistency = position_consistency([1, 2], [0, 1])
    assert consistency.conflict.estimate == 1
    assert consistency.first_in_conflicts is not None
    assert (consistency.first_in_conflicts.estimate, consistency.first_in_conflicts.n) == (0, 1)


def test_invalid_ratings_are_rejected() -> None:
    for place, call in (
        ("1 and 2", lambda: accuracy("a", "ab")),
        ("0 and 0", lambda: position_consistency([], [])),
        ("1 or 2", lambda: position_consistency([3], [1])),
        ("labels", lambda: cohen_kappa("ab", "ab", weights="linear")),
        ("'c'", lambda: cohen_kappa("abc", "abb", labels="ab")),
        ("not defined", lambda: cohen_kappa("aa", "aa")),
        ("constant", lambda: correlation([1, 1], [1, 2])),
        (r"\(2,\) and \(2,\)", lambda: correlation([1, float("nan")], [1, 2])),
    ):
        with pytest.raises(ValueError, match=place):
            call()
