from __future__ import annotations

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
