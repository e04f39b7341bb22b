"""Axes of plots."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assay.report.axis import axis_between, axis_over


def test_a_probability_axis_has_several_ticks() -> None:
    axis = axis_between(0.0003, 0.9998)
    assert [axis.text(tick) for tick in axis.ticks] == ["0.2", "0.4", "0.6", "0.8"]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_on_the_axis_and_their_labels_are_exact(low: float, width: float) -> None:
    assume(width >= 1e-9 * abs(low))  # narrower axes have no distinct tick labels
    for axis in (axis_between(low, low + width), axis_over([low, low + width])):
        step = axis.step
        assert all(axis.low - 1e-6 * step <= tick <= axis.high + 1e-6 * step for tick in axis.ticks)
        assert len(axis.ticks) >= 2
        for tick in axis.ticks:
            assert abs(float(axis.text(tick).replace(",", "").replace("\u2212", "-")) - tick) <= 1e-6 * step + 1e-9


@pytest.mark.parametrize("values", [(0.1, 0.93), (-3.0, 0.0), (5.0, 5.0), (1e-7, 2e-7), (0, 123456)])
def test_axes_hold_their_values_and_have_round_ticks(values: tuple[float, float]) -> None:
    axis = axis_over(values)
    assert all(axis.holds(value) for value in values)
    assert 2 <= len(axis.ticks) <= 9
    assert 2 <= len(axis_between(min(values), max(values) + 1e-9).ticks) <= 9 or values[0] == values[1]
