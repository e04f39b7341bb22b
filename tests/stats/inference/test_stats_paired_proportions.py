"""Newcombe's interval for paired proportions: published values, symmetry and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.inference.paired_tests import paired_proportions

COUNTS = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda counts: sum(counts) > 1)


def test_interval_equals_a_published_one() -> None:
    # Bentur et al. 2009 in Fagerland, Lydersen and Laake 2014, "Recommended tests and confidence intervals for paired
    # binomial proportions", Statistics in Medicine 33, table of the intervals.
    effect = paired_proportions(1, 1, 7, 12)
    assert effect.estimate == pytest.approx(-6 / 21)
    assert (effect.low, effect.high) == (pytest.approx(-0.507, abs=5e-4), pytest.approx(-0.026, abs=5e-4))


@given(counts=COUNTS)
def test_swapped_sides_change_only_the_sign(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    effect = paired_proportions(both, first, second, neither)
    reversed_ = paired_proportions(both, second, first, neither)
    assert effect.low is not None
    assert effect.high is not None
    assert reversed_.low is not None
    assert reversed_.high is not None
    assert effect.estimate == -reversed_.estimate
    assert effect.low == pytest.approx(-reversed_.high, abs=1e-12)
    assert -1 <= effect.low <= effect.estimate <= effect.high <= 1


@given(counts=COUNTS)
def test_counting_failures_instead_of_successes_keeps_the_interval(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    effect = paired_proportions(both, first, second, neither)
    complement = paired_proportions(neither, first, second, both)
    assert effect.estimate == complement.estimate
    assert effect.low == pytest.approx(complement.low, abs=1e-9)


def test_no_discordant_pairs_have_an_interval() -> None:
    few, many = paired_proportions(0, 0, 0, 10), paired_proportions(0, 0, 0, 1000)
    assert few.estimate == many.estimate == 0
    assert few.high is not None
    assert many.high is not None
    assert few.high > 0.2
    assert 0.01 > many.high > 0


def test_fractions_of_items() -> None:
    effect = paired_proportions(1 / 3, 2 / 3, 1 / 3, 8 / 3)
    assert effect.n == 4
    assert effect.estimate == pytest.approx(1 / 12)


@pytest.mark.parametrize("counts", [(-1, 1, 1, 1), (0, 0, 0, 0), (0.5, 0, 0, 1)])
def test_invalid_counts_are_rejected(counts: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        paired_proportions(*counts)


def test_one_item_has_no_interval() -> None:
    assert paired_proportions(0, 1, 0, 0).low is None


@pytest.mark.parametrize("cells", [(0.3, 0.3, 0.1, 0.3), (0.02, 0.1, 0.01, 0.87), (0.0, 0.05, 0.05, 0.9)])
@pytest.mark.parametrize("n", [20, 60])
def test_newcombe_interval_has_nominal_coverage(cells: tuple[float, ...], n: int) -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for counts in rng.multinomial(n, cells, size=2000):
        effect = paired_proportions(*map(float, counts))
        assert effect.low is not None
        assert effect.high is not None
        covered += effect.low <= cells[1] - cells[2] <= effect.high
    assert covered / 2000 > 0.93
