import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.confidence.detection import conformal_threshold, flagging_threshold, minimum_items

SCORES = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=80)


@given(SCORES, st.floats(0.02, 0.9))
def test_conformal_threshold_is_the_lowest_valid_score(scores: list[float], max_fpr: float) -> None:
    if len(scores) < minimum_items(max_fpr):
        with pytest.raises(ValueError):  # noqa: PT011
            conformal_threshold(scores, max_fpr)
        return
    threshold = conformal_threshold(scores, max_fpr)
    assert threshold in scores
    # The rank of a new item among n + 1 is uniform: it is above with at most this probability.
    assert (sum(score > threshold for score in scores) + 1) / (len(scores) + 1) <= max_fpr + 1e-9
    lower = [score for score in scores if score < threshold]
    assert not lower or (sum(score > max(lower) for score in scores) + 1) / (len(scores) + 1) > max_fpr - 1e-9


def test_false_positive_rate_of_new_items_is_nominal() -> None:
    rates = []
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        threshold = conformal_threshold(rng.normal(0, 1, 59), 0.1)
        rates.append(float((rng.normal(0, 1, 200) > threshold).mean()))
    assert np.mean(rates) == pytest.approx(0.1, abs=0.01)


def test_false_positive_rate_is_cross_validated() -> None:
    rng = np.random.default_rng(0)
    result = flagging_threshold(rng.normal(0, 1, 400), 0.05, rng.normal(3, 1, 100))
    assert result.false.n == 400
    assert result.false.low is not None
    assert result.false.high is not None
    assert result.false.low <= 0.05 <= result.false.high
    assert result.found is not None
    assert result.found.estimate > 0.8
    assert flagging_threshold(rng.normal(0, 1, 400), 0.05).found is None


@pytest.mark.parametrize("max_fpr", [0.0, 1.0, -1.0, float("nan")])
def test_invalid_false_positive_rates_are_rejected(max_fpr: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        conformal_threshold([1.0, 2.0], max_fpr)
