"""The mean of what a proof measured, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from assay.analysis.gather_proof import mean_of, named
from assay.core.score import Scale
from assay.stats.inference.intervals import wilson

HARMLESS = named("harmless", Scale("share declined or answered as its kind asks", 0.0, 1.0))


@pytest.mark.parametrize("right", [0, 6, 12])
def test_a_few_items_that_are_right_or_wrong_are_never_certain(right: int) -> None:
    """None of 12 drawn again is none of 12: a bootstrap would say from 0 to 0."""
    found = mean_of(np.array([[1.0] * right + [0.0] * (12 - right)]), HARMLESS)
    assert found == wilson(right, 12)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < found.estimate + 1e-9
    assert found.estimate - 1e-9 < found.high <= 1
    assert found.high - found.low > 0.2


def test_what_is_no_matter_of_right_or_wrong_is_drawn_again() -> None:
    found = mean_of(np.array([[0.5, 0.25, 1.0, 0.0]]), HARMLESS)
    assert found.method.startswith("paired bootstrap over 4 items")
