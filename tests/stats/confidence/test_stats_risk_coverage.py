import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.confidence.risk_coverage import COVERAGES, MAX_CURVE_POINTS, abstention_curve, risk_coverage

ROWS = st.lists(st.tuples(st.integers(0, 4).map(float), st.booleans()), min_size=1, max_size=25)


def slow(rows: list[tuple[float, bool]]) -> list[float]:
    """Of the surest k: those above the kth are in; of those as sure as it, the mean over all ways to choose."""
    found = []
    for k in range(1, len(rows) + 1):
        line = sorted((sure for sure, _ in rows), reverse=True)[k - 1]
        above = [right for sure, right in rows if sure > line]
        level = [right for sure, right in rows if sure == line]
        wrong = above.count(False) + (k - len(above)) * level.count(False) / len(level)
        found.append(wrong / k)
    return found


@given(ROWS)
def test_the_curve_is_its_definition(rows: list[tuple[float, bool]]) -> None:
    sure, right = [one for one, _ in rows], [float(one) for _, one in rows]
    found = risk_coverage(sure, right)
    assert found.risk == pytest.approx(slow(rows))
    assert found.area.estimate == pytest.approx(np.mean(slow(rows)))
    assert found.risk[-1] == pytest.approx(1 - np.mean(right))
    assert found.gain.estimate == pytest.approx(found.risk[-1] - found.area.estimate)
    assert found.best <= found.area.estimate + 1e-9
    assert found.points[0].risk.estimate == pytest.approx(found.risk[-1])


@given(ROWS)
def test_what_a_page_draws_lies_on_the_curve(rows: list[tuple[float, bool]]) -> None:
    sure, right = [one for one, _ in rows], [float(one) for _, one in rows]
    whole, drawn = risk_coverage(sure, right), abstention_curve(sure, right)
    on = dict(zip(whole.coverage, whole.risk, strict=True))
    assert all(on[at] == risk for at, risk in zip(drawn.coverage, drawn.risk, strict=True))
    assert drawn.coverage[-1] == 1
    assert drawn.points == whole.points


def test_it_is_small_however_many_items_there_are() -> None:
    rng = np.random.default_rng(1)
    found = abstention_curve(rng.random(10_000), rng.random(10_000) < 0.5)
    assert len(found.coverage) == len(found.risk) == MAX_CURVE_POINTS
    assert found.coverage[0] == 0.1
    assert len(found.points) == len(COVERAGES)


def test_a_sign_that_knows_is_the_best_there_is() -> None:
    right = np.random.default_rng(0).random(200) < 0.6
    found = risk_coverage(right.astype(float), right.astype(float))
    assert found.area.estimate == pytest.approx(found.best)
    assert found.gain.low is not None
    assert found.gain.low > 0
    assert found.points[2].risk.estimate == 0.0


@pytest.mark.full
def test_a_sign_that_says_nothing_spares_nothing() -> None:
    """Its interval holds zero about as often as it should."""
    held = 0
    for repeat in range(60):
        rng = np.random.default_rng(repeat)
        found = risk_coverage(rng.random(80), (rng.random(80) < 0.5).astype(float), seed=repeat).gain
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert held / 60 >= 0.85
    flat = risk_coverage(np.ones(9), np.r_[np.ones(4), np.zeros(5)])
    assert flat.gain.estimate == pytest.approx(0)


def test_invalid_confidences_are_rejected() -> None:
    for sure, right in (([], []), ([1.0], [1.0, 0.0]), ([float("nan")], [1.0]), ([1.0], [0.5])):
        with pytest.raises(ValueError):  # noqa: PT011
            risk_coverage(sure, right)
    assert risk_coverage([1.0], [1.0]).area.low is None
