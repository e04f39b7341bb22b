import pytest

from assay.core.effect import Effect
from assay.stats import verdict


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.02, "helped"),
        (-0.02, -0.001, "hurt"),
        (-0.001, 0.02, "no significant difference"),
        (0.0, 0.02, "no significant difference"),
        (-0.02, 0.0, "no significant difference"),
    ],
)
def test_verdict_needs_an_interval_that_excludes_zero(low: float, high: float, expected: str) -> None:
    assert verdict(Effect((low + high) / 2, low, high, 100, 0.95, "any")) == expected


def test_no_interval_no_verdict() -> None:
    assert verdict(Effect(0.5, None, None, 1, 0.95, "any")) == "no significant difference"
