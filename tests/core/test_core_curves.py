"""Curves: one value a step and name, or None where nothing was measured."""

from __future__ import annotations

import math

import pytest

from assay.core.curves import Curves, curves_of


def test_rows_become_curves_with_gaps() -> None:
    rows = [{"step": 1, "reward": 0.5}, {"step": 2, "reward": 0.7, "held-out reward": 0.6}]
    assert curves_of(rows) == Curves((1, 2), {"reward": (0.5, 0.7), "held-out reward": (None, 0.6)})


@pytest.mark.parametrize("row", [(1.0,), (1.0, math.nan), (math.inf, 1.0)])
def test_curves_must_be_finite_with_one_value_per_step(row: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="reward"):
        Curves((1, 2), {"reward": row})
