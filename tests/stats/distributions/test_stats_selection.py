"""What scores would keep: against counting by hand, scipy, and chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.stats.distributions.selection import best, selection_overlap, spearman

VALUES = st.lists(st.one_of(st.integers(0, 4).map(float), st.just(math.nan)), min_size=1, max_size=30)


def test_the_best_by_hand() -> None:
    ids = ["d", "c", "b", "a"]
    high = best([3.0, 1.0, math.nan, 2.0], ids, 2, higher=True)
    assert high.chosen.tolist() == [True, False, False, True]
    assert (high.tied, high.tied_chosen) == (1, 1)
    low = best([3.0, 1.0, math.nan, 2.0], ids, 2, higher=False)
    assert low.chosen.tolist() == [False, True, False, True]
    equal = best([1.0, 1.0, 1.0, 2.0], ids, 2, higher=True)
    assert equal.chosen.tolist() == [False, False, True, True]
    assert (equal.tied, equal.tied_chosen) == (3, 1)
    few = best([1.0, math.nan, math.nan, math.nan], ids, 3, higher=True)
    assert few.chosen.tolist() == [True, False, False, False]
    none = best([math.nan] * 4, ids, 3, higher=True)
    assert (none.chosen.any(), none.tied) == (False, 0)


@given(VALUES, st.integers(1, 30), st.booleans())
def test_nothing_left_out_is_better_than_what_is_chosen(values: list[float], count: int, higher: bool) -> None:
    found = best(values, [str(nth) for nth in range(len(values))], count, higher=higher).chosen
    known = ~np.isnan(values)
    assert found.sum() == min(count, known.sum())
    sign = 1 if higher else -1
    chosen, left = (sign * np.asarray(values)[found], sign * np.asarray(values)[known & ~found])
    assert not len(left) or not len(chosen) or chosen.min() >= left.max()


def test_what_is_shared_and_what_chance_gives() -> None:
    rng = np.random.default_rng(0)
    ours = np.arange(100) < 30
    assert selection_overlap(ours, ours).share == 1.0  # type: ignore[union-attr]
    assert selection_overlap(ours, ~ours).share == 0.0  # type: ignore[union-attr]
    draws = [selection_overlap(ours, rng.permutation(np.arange(100) < 50)) for _ in range(2_000)]
    assert draws[0] is not None
    assert draws[0].chance == 0.5
    assert np.mean([one.share for one in draws if one]) == pytest.approx(0.5, abs=0.01)
    assert selection_overlap(ours, np.zeros(100, dtype=bool)) is None


def test_rho_is_scipys_and_its_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, 200).astype(float)
    y = x + rng.normal(0, 2, 200)
    found = spearman(x, y)
    assert found is not None
    assert found.estimate == pytest.approx(stats.spearmanr(x, y).statistic)
    truth = 6 / math.pi * math.asin(0.5 / 2)  # of a normal pair with a correlation of a half
    hits = 0
    for _ in range(1_000):
        one = rng.normal(size=80)
        other = 0.5 * one + math.sqrt(0.75) * rng.normal(size=80)
        interval = spearman(one, other)
        assert interval is not None
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= truth <= interval.high
    assert 930 <= hits <= 970


def test_where_there_is_no_correlation() -> None:
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert spearman([1.0, math.nan], [1.0, 2.0]) is None
    few = spearman([1.0, 2.0, 3.0], [3.0, 2.0, 2.5])
    assert few is not None
    assert (few.low, few.high) == (None, None)
    alike = spearman(np.arange(9.0), np.arange(9.0))
    assert alike is not None
    assert (alike.estimate, alike.low, alike.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError):  # noqa: PT011
        spearman([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="The best 0"):
        best([1.0], ["a"], 0, higher=True)
