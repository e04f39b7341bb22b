from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score

from assay.stats.inference.intervals import wilson
from assay.stats.ratings.agreement import Correlation, Weighting, accuracy, cohen_kappa, correlation, positions
from shared_data import shared

SCIPY = {"pearson": pearsonr, "spearman": spearmanr, "kendall": kendalltau}
LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40)


@given(LABELS, st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_is_scikit_learns(pairs: list[tuple[int, int]], weights: Weighting) -> None:
    a, b = zip(*pairs, strict=True)
    assume(len({*a, *b}) > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = cohen_kappa_score(a, b, labels=range(4), weights=None if weights == "none" else weights)
    assume(np.isfinite(oracle))
    found = cohen_kappa(a, b, labels=range(4), weights=weights, resamples=20)
    assert found.estimate == pytest.approx(oracle, abs=1e-12)


def test_an_interval_of_kappa_is_that_of_items_drawn_one_by_one() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 80)
    b = np.where(rng.random(80) < 0.7, a, rng.integers(0, 3, 80))
    found = cohen_kappa(a.tolist(), b.tolist(), resamples=4000)
    drawn = [rng.integers(0, 80, 80) for _ in range(2000)]
    slow = np.quantile([cohen_kappa_score(a[rows], b[rows]) for rows in drawn], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(slow, abs=0.02)


COLUMNS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


@given(COLUMNS, st.sampled_from(["pearson", "spearman", "kendall"]))
def test_correlations_are_scipys(pairs: list[tuple[int, int]], kind: Correlation) -> None:
    x, y = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    found = correlation(x, y, kind, resamples=20)
    assert found.estimate == pytest.approx(SCIPY[kind](x, y).statistic, abs=1e-9)
    turned = correlation(y, x, kind, resamples=20)
    assert (turned.low, turned.high) == (pytest.approx(found.low), pytest.approx(found.high))


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from(["pearson", "spearman", "kendall"]))
def test_a_resample_that_is_counted_is_one_that_is_written_out(seed: int, kind: Correlation) -> None:
    """Counts of drawn items, as the fast way has them, against scipy on the drawn items themselves."""
    from assay.stats.ratings.agreement import _CORRELATIONS

    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 25).astype(float), rng.normal(size=25)
    counts = rng.multinomial(25, np.full(25, 1 / 25), size=3).astype(float)
    written = [np.repeat(np.arange(25), row.astype(int)) for row in counts]
    slow = [SCIPY[kind](x[rows], y[rows]).statistic for rows in written]
    assert _CORRELATIONS[kind](x, y, counts) == pytest.approx(slow, abs=1e-9)


def test_the_interval_of_a_correlation_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=100)
        y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=100)
        found = correlation(x, y, "pearson", seed=seed, resamples=500)
        held += found.low <= 0.5 <= found.high  # type: ignore[operator]
    assert 0.885 <= held / 200 <= 0.985


def test_kendalls_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 50))
    whole = correlation(x, y, "kendall", resamples=30)
    monkeypatch.setattr("assay.stats.ratings.agreement._CELLS", 50 * 7)
    assert correlation(x, y, "kendall", resamples=30).estimate == pytest.approx(whole.estimate)


def test_accuracy_has_wilsons_interval() -> None:
    assert accuracy("aabb", "aaba") == wilson(3, 4)


def test_llmbars_published_accuracy_and_agreement() -> None:
    """Zeng et al. 2024, Natural, vanilla prompts: the mean accuracy of both orders, and how often they agree."""
    for judge, expected in (("gpt-4", (95.5, 95.0)), ("chatgpt", (81.5, 71.0))):
        path = shared(f"llmbar-natural-{judge}.jsonl") / f"llmbar-natural-{judge}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        gold, given, swapped = ([int(row[k]) for row in rows] for k in ("label", "winner_as_given", "winner_swapped"))
        both = (accuracy(given, gold).estimate + accuracy(swapped, gold).estimate) / 2
        found = positions(given, swapped)
        assert (100 * both, 100 * found.agreement.estimate) == pytest.approx(expected)


def test_a_judge_that_always_names_the_first_is_caught() -> None:
    found = positions([1] * 50, [2] * 50)
    assert found.conflict.estimate == found.first_place.estimate == 1
    assert found.first_place.low > 0.9  # type: ignore[operator]
    assert found.first_in_conflicts == wilson(50, 50)


def test_a_judge_that_never_looks_at_places_has_half() -> None:
    found = positions([1, 2, 1, 2, 0], [1, 2, 1, 2, 0])
    assert (found.conflict.estimate, found.first_place.estimate, found.first_in_conflicts) == (0, 0.5, None)
    assert positions([1, 0], [2, 0]).first_place.estimate == pytest.approx(0.75)


def test_a_tie_in_one_order_is_a_conflict_and_no_place() -> None:
    found = positions([1, 2], [0, 1])
    assert found.conflict.estimate == 1
    assert found.first_in_conflicts is not None
    assert (found.first_in_conflicts.estimate, found.first_in_conflicts.n) == (0, 1)


def test_what_cannot_be_compared_is_refused() -> None:
    for told, call in (
        ("same items", lambda: accuracy("a", "ab")),
        ("same items", lambda: positions([], [])),
        ("1 or 2", lambda: positions([3], [1])),
        ("needs the labels", lambda: cohen_kappa("ab", "ab", weights="linear")),
        ("'c' is none of", lambda: cohen_kappa("abc", "abb", labels="ab")),
        ("not defined", lambda: cohen_kappa("aa", "aa")),
        ("no correlation", lambda: correlation([1, 1], [1, 2])),
        ("two finite columns", lambda: correlation([1, float("nan")], [1, 2])),
    ):
        with pytest.raises(ValueError, match=told):
            call()
