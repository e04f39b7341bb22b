import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from assay.stats import mean_of_proportions, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score, no continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_newcombes_published_intervals(successes: int, n: int, low: float, high: float) -> None:
    effect = wilson(successes, n)
    assert effect.low == pytest.approx(low, abs=5e-5)
    assert effect.high == pytest.approx(high, abs=5e-5)


@given(st.integers(2, 10_000), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_equals_scipy_and_contains_its_estimate(n: int, share: float, level: float) -> None:
    successes = round(share * n)
    effect = wilson(successes, n, level)
    oracle = binomtest(successes, n).proportion_ci(level, method="wilson")
    assert effect.low is not None
    assert effect.high is not None
    assert (effect.low, effect.high) == (pytest.approx(oracle.low, abs=1e-9), pytest.approx(oracle.high, abs=1e-9))
    assert 0 <= effect.low <= effect.estimate <= effect.high <= 1


def test_one_item_has_no_interval() -> None:
    assert (wilson(1, 1).low, wilson(1, 1).high) == (None, None)


def test_successes_may_be_fractional() -> None:
    assert wilson(8735.333, 10_000).estimate == pytest.approx(0.8735333)


@pytest.mark.parametrize(("successes", "n", "level"), [(1, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 95)])
def test_invalid_counts_and_levels_are_rejected(successes: int, n: int, level: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        wilson(successes, n, level)


def test_nan_is_rejected() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        wilson(math.nan, 10)


def test_mean_of_one_proportion_is_that_proportion() -> None:
    mean, single = mean_of_proportions([7], [20]), wilson(7, 20)
    assert (mean.estimate, mean.n) == (single.estimate, single.n)
    assert (mean.low, mean.high) == (pytest.approx(single.low), pytest.approx(single.high))


def test_strata_have_equal_weights() -> None:
    effect = mean_of_proportions([1, 900], [2, 1000])
    assert (effect.estimate, effect.n) == (pytest.approx(0.7), 1002)
    assert mean_of_proportions([1, 3], [1, 4]).low is None  # one item has no interval


def test_mean_of_proportions_has_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    counts, shares = np.array([4, 100, 12, 30, 7]), np.array([0.25, 0.9, 0.5, 0.05, 0.6])
    successes = rng.binomial(counts, shares, size=(2000, 5))
    effects = [mean_of_proportions(row.tolist(), counts.tolist()) for row in successes]
    covered = sum((effect.low or 0.0) <= shares.mean() <= (effect.high or 0.0) for effect in effects)
    assert 0.93 <= covered / 2000 <= 0.975


@given(st.lists(st.tuples(st.integers(2, 50), st.floats(0, 1)), min_size=1, max_size=9))
def test_mean_of_proportions_lies_in_its_interval(parts: list[tuple[int, float]]) -> None:
    effect = mean_of_proportions([round(n * share) for n, share in parts], [n for n, _ in parts])
    assert effect.low is not None
    assert effect.high is not None
    assert 0 <= effect.low <= effect.estimate + 1e-12
    assert effect.estimate - 1e-12 <= effect.high <= 1


@pytest.mark.parametrize(("successes", "counts"), [([], []), ([1], [2, 2]), ([3], [2])])
def test_invalid_strata_are_rejected(successes: list[float], counts: list[int]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        mean_of_proportions(successes, counts)
