from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats import mcnemar


def columns(ours_only: int, theirs_only: int, both: int = 5) -> tuple[list[bool], list[bool]]:
    ours = [True] * ours_only + [False] * theirs_only + [True] * both
    theirs = [False] * ours_only + [True] * theirs_only + [True] * both
    return ours, theirs


def test_fagerlands_published_example() -> None:
    # Fagerland, Lydersen and Laake 2013, table 1 and section 6: 1 against 7 discordant pairs, exact p = 0.0703.
    result = mcnemar(*columns(1, 7))
    assert (result.ours_only, result.theirs_only) == (1, 7)
    assert result.p == pytest.approx(0.0703, abs=5e-5)


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_is_twice_the_smaller_tail(b: int, c: int) -> None:
    tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert mcnemar(*columns(b, c)).p == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_of_identical_outcomes_is_one() -> None:
    assert mcnemar([True, False], [True, False]).p == 1.0


@pytest.mark.parametrize(("ours", "theirs"), [([1, 0], [1]), ([0.5], [1]), ([[1]], [[1]])])
def test_columns_that_are_not_binary_are_rejected(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        mcnemar(np.asarray(ours), np.asarray(theirs))
