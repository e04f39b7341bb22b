"""Intervals of grouped items, against statsmodels, intervals of single items, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.stats.inference.intervals import grouped_mean, grouped_proportion, wilson


def test_grouped_mean_equals_clustered_errors_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 12, 80)
    values = rng.normal(size=80) + 0.8 * rng.normal(size=12)[groups]
    effect = grouped_mean(list(values), list(groups))
    fit = sm.OLS(values, np.ones(80)).fit()
    # statsmodels multiplies by G/(G-1) * (n-1)/(n-k) too, and k is 1.
    robust = fit.get_robustcov_results("cluster", groups=groups, use_t=True, df_correction=True)
    low, high = robust.conf_int()[0]
    assert (effect.low, effect.high) == pytest.approx((low, high))


def test_groups_of_one_item_have_t_and_wilson_intervals() -> None:
    values = [0.2, 0.9, 0.4, 1.3, 0.7]
    mean = grouped_mean(values, range(5))
    plain = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (mean.low, mean.high) == pytest.approx(plain)
    right = [True, True, False, True, True, True, False, True]
    proportion = grouped_proportion(right, range(8))
    assert (proportion.n, proportion.low, proportion.high) == (8, wilson(6, 8).low, wilson(6, 8).high)


def test_identical_items_of_a_group_count_once() -> None:
    right = [True, False, True, True, True, False, True, True, True, False]
    once = grouped_proportion(right, range(10))
    often = grouped_proportion(
        [value for value in right for _ in range(6)], [nth for nth in range(10) for _ in range(6)]
    )
    assert often.n == 60
    assert often.high is not None
    assert often.low is not None
    assert once.low is not None
    assert often.low <= 0.45  # wilson(42, 60) begins at 0.57
    assert abs(often.low - once.low) < 0.02


def test_all_correct_in_few_groups_has_the_interval_of_the_groups() -> None:
    effect = grouped_proportion([True] * 100, [nth // 20 for nth in range(100)])
    assert effect.low == wilson(5, 5).low


def test_grouped_proportion_has_nominal_coverage() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        chance = np.repeat(rng.beta(6, 4, 24), 6)
        effect = grouped_proportion(list(rng.random(144) < chance), list(np.repeat(np.arange(24), 6)))
        assert effect.low is not None
        assert effect.high is not None
        covered += effect.low <= 0.6 <= effect.high
    assert 920 <= covered <= 980


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_grouped_proportion_lies_in_its_interval(items: list[tuple[bool, int]]) -> None:
    effect = grouped_proportion([right for right, _ in items], [group for _, group in items])
    assert 0 <= effect.estimate <= 1
    if effect.low is not None and effect.high is not None:
        assert effect.low <= effect.estimate + 1e-12
        assert effect.high >= effect.estimate - 1e-12


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [1.0]])
def test_invalid_values_are_rejected(values: list[float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        grouped_mean(values, ["a", "b"])
