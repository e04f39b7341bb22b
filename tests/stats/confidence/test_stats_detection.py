import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from assay.stats import detection
from assay.stats.confidence.detection import threshold

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)


def slow_auroc(known: list[float], strangers: list[float]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a in known for b in strangers) / (len(known) * len(strangers))


@given(SCORES, SCORES)
def test_auroc_is_its_definition_and_scikit_learns(known: list[float], strangers: list[float]) -> None:
    found = detection(known, strangers)
    assert found.auroc.estimate == pytest.approx(slow_auroc(known, strangers))
    truth = [1] * len(known) + [0] * len(strangers)
    assert found.auroc.estimate == pytest.approx(roc_auc_score(truth, [*known, *strangers]))


@given(SCORES, SCORES)
def test_fpr_is_read_off_the_roc_curve(known: list[float], strangers: list[float]) -> None:
    truth = [1] * len(known) + [0] * len(strangers)
    fpr, tpr, _ = roc_curve(truth, [*known, *strangers], drop_intermediate=False)
    assert detection(known, strangers).fpr.estimate == pytest.approx(fpr[np.argmax(tpr >= 0.95 - 1e-12)])


@given(SCORES, st.floats(0.01, 1))
def test_the_threshold_accepts_what_it_must_and_no_higher_one_does(known: list[float], share: float) -> None:
    line = threshold(known, share)
    assert np.mean(np.asarray(known) >= line) >= share - 1e-9
    higher = [score for score in known if score > line]
    assert not higher or np.mean(np.asarray(known) >= min(higher)) < share + 1e-9


def test_delongs_interval_covers() -> None:
    """Normal scores one deviation apart: the true AUROC is Phi(1 / sqrt 2) = 0.7602."""
    covered = 0
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        found = detection(rng.normal(1, 1, 80), rng.normal(0, 1, 60)).auroc
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.76025 <= found.high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)


def test_one_item_has_no_interval_and_none_is_refused() -> None:
    assert detection([1.0], [0.0]).auroc.low is None
    for bad in ([], [float("nan")]):
        with pytest.raises(ValueError):  # noqa: PT011
            detection(bad, [1.0])
    with pytest.raises(ValueError):  # noqa: PT011
        threshold([1.0], 0.0)


def test_pairs_that_vary_together_have_the_interval_of_a_resampling_of_pairs() -> None:
    rng = np.random.default_rng(3)
    subject = rng.normal(0, 2, 150)
    known, strangers = subject + rng.normal(1, 1, 150), subject + rng.normal(0, 1, 150)
    found = detection(known, strangers, paired=True).auroc
    draws = [
        slow_auroc_of_arrays(known[picked], strangers[picked])
        for picked in (rng.integers(0, 150, 150) for _ in range(800))
    ]
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 3.92 == pytest.approx(np.std(draws), rel=0.15)
    apart = detection(known, strangers).auroc
    assert apart.estimate == found.estimate
    assert apart.high is not None
    assert apart.low is not None
    assert found.high - found.low < apart.high - apart.low


def slow_auroc_of_arrays(known: np.ndarray, strangers: np.ndarray) -> float:
    return float((known[:, None] > strangers).mean() + (known[:, None] == strangers).mean() / 2)


def test_pairs_must_be_as_many_on_both_sides() -> None:
    with pytest.raises(ValueError, match="had 2 and 1"):
        detection([1.0, 2.0], [1.0], paired=True)
