"""Selection by score and overlap of selections, against known cases, scipy and random selections."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.stats.distributions.selection import best, selection_overlap, spearman

VALUES = st.lists(st.one_of(st.integers(0, 4).map(float), st.just(math.nan)), min_size=1, max_size=30)


def test_best_selects_by_value_and_id() -> None:
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
def test_no_unselected_item_is_better_than_a_selected_one(values: list[float], count: int, higher: bool) -> None:
    selected = best(values, [str(nth) for nth in range(len(values))], count, higher=higher).chosen
    defined = ~np.isnan(values)
    assert selected.sum() == min(count, defined.sum())
    sign = 1 if higher else -1
    chosen, rest = (sign * np.asarray(values)[selected], sign * np.asarray(values)[defined & ~selected])
    assert not len(rest) or not len(chosen) or chosen.min() >= rest.max()


def test_overlap_and_its_value_for_random_selections() -> None:
    rng = np.random.default_rng(0)
    ours = np.arange(100) < 30
    assert selection_overlap(ours, ours).share == 1.0  # type: ignore[union-attr]
    assert selection_overlap(ours, ~ours).share == 0.0  # type: ignore[union-attr]
    draws = [selection_overlap(ours, rng.permutation(np.arange(100) < 50)) for _ in range(2_000)]
    assert draws[0] is not None
    assert draws[0].chance == 0.5
    assert np.mean([overlap.share for overlap in draws if overlap]) == pytest.approx(0.5, abs=0.01)
    assert selection_overlap(ours, np.zeros(100, dtype=bool)) is None


def test_spearman_equals_scipy_and_its_interval_has_nominal_coverage() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, 200).astype(float)
    y = x + rng.normal(0, 2, 200)
    effect = spearman(x, y)
    assert effect is not None
    assert effect.estimate == pytest.approx(stats.spearmanr(x, y).statistic)
    truth = 6 / math.pi * math.asin(0.5 / 2)  # of a bivariate normal with correlation 1/2
    covered = 0
    for _ in range(1_000):
        a = rng.normal(size=80)
        b = 0.5 * a + math.sqrt(0.75) * rng.normal(size=80)
        interval = spearman(a, b)
        assert interval is not None
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= truth <= interval.high
    assert 930 <= covered <= 970


def test_spearman_without_variance_or_with_few_pairs() -> None:
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
