import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from assay.stats import holm


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> Iterator[None]:
    """`multipletests` collects garbage at every call: a quarter of a second once torch is imported."""
    gc.freeze()
    yield
    gc.unfreeze()


P = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(P)
def test_holm_equals_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(P)
def test_adjusted_p_values_are_not_smaller_and_keep_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(old <= new for old, new in zip(p, adjusted, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.asarray(adjusted)[order]) >= 0).all()


def test_no_p_values_and_invalid_p_values() -> None:
    assert holm([]) == ()
    with pytest.raises(ValueError):  # noqa: PT011
        holm([0.5, 1.5])
    with pytest.raises(ValueError):  # noqa: PT011
        holm([float("nan")])
