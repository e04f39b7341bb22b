"""Number formats."""

from __future__ import annotations

import pytest

from assay.analysis import format as words
from assay.core.effect import Effect


@pytest.mark.parametrize(
    ("effect", "points", "between"),
    [
        (Effect(0.019, 0.012, 0.026, 10, 0.95, ""), "+1.9", "+1.2 to +2.6"),
        (Effect(0.004, 0.0002, 0.008, 10, 0.95, ""), "+0.40", "+0.02 to +0.80"),
        (Effect(0.0, 0.0, 0.0, 10, 0.95, ""), "+0.0", "+0.0 to +0.0"),
        (Effect(1.0, None, None, 1, 0.95, ""), "+100.0", "no interval: n = 1"),
    ],
)
def test_a_nonzero_bound_is_never_rounded_to_zero(effect: Effect, points: str, between: str) -> None:
    assert words.points(effect) == f"{points}\u00a0pp"
    assert words.points_between(effect) == between


def test_number_formats() -> None:
    assert [words.number(x) for x in (0.80312, 0.5, 23.14, 1234.5, -3.0, 0.0)] == [
        "0.803",
        "0.5",
        "23.1",
        "1,234",
        "\u22123",
        "0",
    ]
    share, level = Effect(0.82, 0.809, 0.83, 5000, 0.95, ""), Effect(0.5, 0.31, 0.62, 9, 0.95, "")
    assert words.percent_ci(share) == "82.0% (95% CI 80.9\u201383.0, n = 5,000)"
    assert words.percent_ci(Effect(1.0, None, None, 1, 0.95, "")) == "100.0% (no interval: n = 1)"
    assert words.number_ci(level) == "0.5 (95% CI 0.31\u20130.62)"
    assert [words.seconds(x) for x in (3.21, 251.3, 7325.0, None)] == [
        "3.2\u00a0s", "4\u00a0min 11\u00a0s", "2\u00a0h 2\u00a0min", "unknown",
    ]  # fmt: skip
    assert [words.p_value(p) for p in (0.0301, 1e-9, None)] == ["0.030", "<\u00a00.001", "not tested"]
    assert (words.dollars(None), words.dollars(0.5), words.tokens(None)) == ("unknown", "$0.50", "unknown")
