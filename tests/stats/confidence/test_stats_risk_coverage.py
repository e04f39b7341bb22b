import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.confidence.risk_coverage import COVERAGES, MAX_CURVE_POINTS, abstention_curve, risk_coverage

ROWS = st.lists(st.tuples(st.integers(0, 4).map(float), st.booleans()), min_size=1, max_size=25)


def slow(rows: list[tuple[float, bool]]) -> list[float]:
    """Risk of the k most confident items, with the mean over all choices among items of equal confidence."""
    risks = []
    for k in range(1, len(rows) + 1):
        lowest = sorted((confidence for confidence, _ in rows), reverse=True)[k - 1]
        above = [right for confidence, right in rows if confidence > lowest]
        equal = [right for confidence, right in rows if confidence == lowest]
        wrong = above.count(False) + (k - len(above)) * equal.count(False) / len(equal)
        risks.append(wrong / k)
    return risks


@given(ROWS)
def test_risk_coverage_equals_a_slow_implementation(rows: list[tuple[float, bool]]) -> None:
    confidence, right = [value for value, _ in rows], [float(value) for _, value in rows]
    result = risk_coverage(confidence, right)
    assert result.risk == pytest.approx(slow(rows))
    assert result.area.estimate == pytest.approx(np.mean(slow(rows)))
    assert result.risk[-1] == pytest.approx(1 - np.mean(right))
    assert result.gain.estimate == pytest.approx(result.risk[-1] - result.area.estimate)
    assert result.best <= result.area.estimate + 1e-9
    assert result.points[0].risk.estimate == pytest.approx(result.risk[-1])


@given(ROWS)
def test_abstention_curve_lies_on_the_risk_coverage_curve(rows: list[tuple[float, bool]]) -> None:
    confidence, right = [value for value, _ in rows], [float(value) for _, value in rows]
    whole, curve = risk_coverage(confidence, right), abstention_curve(confidence, right)
    risk_at = dict(zip(whole.coverage, whole.risk, strict=True))
    assert all(risk_at[at] == risk for at, risk in zip(curve.coverage, curve.risk, strict=True))
    assert curve.coverage[-1] == 1
    assert curve.points == whole.points


def test_abstention_curve_has_a_maximum_number_of_points() -> None:
    rng = np.random.default_rng(1)
    curve = abstention_curve(rng.random(10_000), rng.random(10_000) < 0.5)
    assert len(curve.coverage) == len(curve.risk) == MAX_CURVE_POINTS
    assert curve.coverage[0] == 0.1
    assert len(curve.points) == len(COVERAGES)


def test_perfect_confidence_has_the_optimal_area() -> None:
    right = np.random.default_rng(0).random(200) < 0.6
    result = risk_coverage(right.astype(float), right.astype(float))
    assert result.area.estimate == pytest.approx(result.best)
    assert result.gain.low is not None
    assert result.gain.low > 0
    assert result.points[2].risk.estimate == 0.0


@pytest.mark.full
def test_random_confidence_has_no_gain() -> None:
    covered = 0
    for repeat in range(60):
        rng = np.random.default_rng(repeat)
        gain = risk_coverage(rng.random(80), (rng.random(80) < 0.5).astype(float), seed=repeat).gain
        assert gain.low is not None
        assert gain.high is not None
        covered += gain.low <= 0 <= gain.high
    assert covered / 60 >= 0.85
    flat = risk_coverage(np.ones(9), np.r_[np.ones(4), np.zeros(5)])
    assert flat.gain.estimate == pytest.approx(0)


def test_invalid_confidences_are_rejected() -> None:
    for confidence, right in (([], []), ([1.0], [1.0, 0.0]), ([float("nan")], [1.0]), ([1.0], [0.5])):
        with pytest.raises(ValueError):  # noqa: PT011
            risk_coverage(confidence, right)
    assert risk_coverage([1.0], [1.0]).area.low is None
