"""Means of a proof with their intervals."""

from __future__ import annotations

import re

import numpy as np
import pytest

from assay.analysis.proof import mean_of, measure_named
from assay.core.score import Scale
from assay.stats.inference.intervals import wilson

HARMLESS = measure_named("harmless", Scale("share declined or answered as its kind asks", 0.0, 1.0))


@pytest.mark.parametrize("right", [0, 6, 12])
def test_binary_values_have_wilson_intervals(right: int) -> None:
    """A bootstrap of 0 of 12 would have an interval of width 0."""
    effect = mean_of(np.array([[1.0] * right + [0.0] * (12 - right)]), HARMLESS)
    assert effect == wilson(right, 12)
    assert effect.low is not None
    assert effect.high is not None
    assert 0 <= effect.low < effect.estimate + 1e-9
    assert effect.estimate - 1e-9 < effect.high <= 1
    assert effect.high - effect.low > 0.2


def test_other_values_have_bootstrap_intervals() -> None:
    effect = mean_of(np.array([[0.5, 0.25, 1.0, 0.0]]), HARMLESS)
    assert re.search(r"\bbootstrap\b.*\b4 items\b", effect.method)
