import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.confidence.detection import conformal_threshold, flagging_threshold, minimum_items

SCORES = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=80)


@given(SCORES, st.floats(0.02, 0.9))
def test_the_line_is_the_lowest_that_the_rank_of_a_new_item_allows(scores: list[float], share: float) -> None:
    if len(scores) < minimum_items(share):
        with pytest.raises(ValueError):  # noqa: PT011
            conformal_threshold(scores, share)
        return
    line = conformal_threshold(scores, share)
    assert line in scores
    # A new item is as likely to have any of the n + 1 ranks: it lies above with at most this chance.
    assert (sum(score > line for score in scores) + 1) / (len(scores) + 1) <= share + 1e-9
    lower = [score for score in scores if score < line]
    assert not lower or (sum(score > max(lower) for score in scores) + 1) / (len(scores) + 1) > share - 1e-9


def test_new_items_lie_above_as_often_as_was_asked() -> None:
    shares = []
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        line = conformal_threshold(rng.normal(0, 1, 59), 0.1)
        shares.append(float((rng.normal(0, 1, 200) > line).mean()))
    assert np.mean(shares) == pytest.approx(0.1, abs=0.01)


def test_false_alarms_are_counted_on_items_that_drew_no_line() -> None:
    rng = np.random.default_rng(0)
    found = flagging_threshold(rng.normal(0, 1, 400), 0.05, rng.normal(3, 1, 100))
    assert found.false.n == 400
    assert found.false.low is not None
    assert found.false.high is not None
    assert found.false.low <= 0.05 <= found.false.high
    assert found.found is not None
    assert found.found.estimate > 0.8
    assert flagging_threshold(rng.normal(0, 1, 400), 0.05).found is None


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        conformal_threshold([1.0, 2.0], share)
