"""Newcombe's interval for paired shares: published values, symmetry, and how often it holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.inference.paired_tests import paired_proportions

COUNTS = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda counts: sum(counts) > 1)


def test_published() -> None:
    # Bentur et al. 2009 in Fagerland, Lydersen and Laake 2014, "Recommended tests and confidence intervals for paired
    # binomial proportions", Statistics in Medicine 33, table of the intervals.
    found = paired_proportions(1, 1, 7, 12)
    assert found.estimate == pytest.approx(-6 / 21)
    assert (found.low, found.high) == (pytest.approx(-0.507, abs=5e-4), pytest.approx(-0.026, abs=5e-4))


@given(counts=COUNTS)
def test_turned_round_it_is_the_same_with_the_other_sign(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    one, other = paired_proportions(both, first, second, neither), paired_proportions(both, second, first, neither)
    assert one.low is not None
    assert one.high is not None
    assert other.low is not None
    assert other.high is not None
    assert one.estimate == -other.estimate
    assert one.low == pytest.approx(-other.high, abs=1e-12)
    assert -1 <= one.low <= one.estimate <= one.high <= 1


@given(counts=COUNTS)
def test_in_other_words_it_is_the_same(counts: tuple[int, int, int, int]) -> None:
    """Counting who has it not turns the difference round."""
    both, first, second, neither = counts
    one, other = paired_proportions(both, first, second, neither), paired_proportions(neither, first, second, both)
    assert one.estimate == other.estimate
    assert one.low == pytest.approx(other.low, abs=1e-9)


def test_no_difference_is_no_certainty() -> None:
    few, many = paired_proportions(0, 0, 0, 10), paired_proportions(0, 0, 0, 1000)
    assert few.estimate == many.estimate == 0
    assert few.high is not None
    assert many.high is not None
    assert few.high > 0.2
    assert 0.01 > many.high > 0


def test_fractions_of_items() -> None:
    found = paired_proportions(1 / 3, 2 / 3, 1 / 3, 8 / 3)
    assert found.n == 4
    assert found.estimate == pytest.approx(1 / 12)


@pytest.mark.parametrize("counts", [(-1, 1, 1, 1), (0, 0, 0, 0), (0.5, 0, 0, 1)])
def test_no_counts(counts: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        paired_proportions(*counts)


def test_one_item_has_no_interval() -> None:
    assert paired_proportions(0, 1, 0, 0).low is None


@pytest.mark.parametrize("cells", [(0.3, 0.3, 0.1, 0.3), (0.02, 0.1, 0.01, 0.87), (0.0, 0.05, 0.05, 0.9)])
@pytest.mark.parametrize("n", [20, 60])
def test_it_holds_about_as_often_as_it_says(cells: tuple[float, ...], n: int) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for counts in rng.multinomial(n, cells, size=2000):
        found = paired_proportions(*map(float, counts))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= cells[1] - cells[2] <= found.high
    assert held / 2000 > 0.93
