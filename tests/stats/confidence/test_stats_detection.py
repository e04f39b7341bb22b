import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from assay.stats import detection
from assay.stats.confidence.detection import threshold

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)


def slow_auroc(positives: list[float], negatives: list[float]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a in positives for b in negatives) / (len(positives) * len(negatives))


@given(SCORES, SCORES)
def test_auroc_equals_a_slow_implementation_and_scikit_learn(positives: list[float], negatives: list[float]) -> None:
    result = detection(positives, negatives)
    assert result.auroc.estimate == pytest.approx(slow_auroc(positives, negatives))
    truth = [1] * len(positives) + [0] * len(negatives)
    assert result.auroc.estimate == pytest.approx(roc_auc_score(truth, [*positives, *negatives]))


@given(SCORES, SCORES)
def test_fpr_equals_the_roc_curve_of_scikit_learn(positives: list[float], negatives: list[float]) -> None:
    truth = [1] * len(positives) + [0] * len(negatives)
    fpr, tpr, _ = roc_curve(truth, [*positives, *negatives], drop_intermediate=False)
    assert detection(positives, negatives).fpr.estimate == pytest.approx(fpr[np.argmax(tpr >= 0.95 - 1e-12)])


@given(SCORES, st.floats(0.01, 1))
def test_threshold_is_the_highest_that_accepts_the_fraction(positives: list[float], accepted: float) -> None:
    lowest = threshold(positives, accepted)
    assert np.mean(np.asarray(positives) >= lowest) >= accepted - 1e-9
    higher = [score for score in positives if score > lowest]
    assert not higher or np.mean(np.asarray(positives) >= min(higher)) < accepted + 1e-9


def test_delong_interval_has_nominal_coverage() -> None:
    """Normal scores one deviation apart: the true AUROC is Phi(1 / sqrt 2) = 0.7602."""
    covered = 0
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        auroc = detection(rng.normal(1, 1, 80), rng.normal(0, 1, 60)).auroc
        assert auroc.low is not None
        assert auroc.high is not None
        covered += auroc.low <= 0.76025 <= auroc.high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)


def test_one_item_has_no_interval_and_invalid_scores_are_rejected() -> None:
    assert detection([1.0], [0.0]).auroc.low is None
    for bad in ([], [float("nan")]):
        with pytest.raises(ValueError):  # noqa: PT011
            detection(bad, [1.0])
    with pytest.raises(ValueError):  # noqa: PT011
        threshold([1.0], 0.0)


def test_interval_of_correlated_pairs_equals_a_bootstrap_over_pairs() -> None:
    rng = np.random.default_rng(3)
    subject = rng.normal(0, 2, 150)
    positives, negatives = subject + rng.normal(1, 1, 150), subject + rng.normal(0, 1, 150)
    paired = detection(positives, negatives, paired=True).auroc
    draws = [
        slow_auroc_of_arrays(positives[indices], negatives[indices])
        for indices in (rng.integers(0, 150, 150) for _ in range(800))
    ]
    assert paired.low is not None
    assert paired.high is not None
    assert (paired.high - paired.low) / 3.92 == pytest.approx(np.std(draws), rel=0.15)
    unpaired = detection(positives, negatives).auroc
    assert unpaired.estimate == paired.estimate
    assert unpaired.high is not None
    assert unpaired.low is not None
    assert paired.high - paired.low < unpaired.high - unpaired.low


def slow_auroc_of_arrays(positives: np.ndarray, negatives: np.ndarray) -> float:
    return float((positives[:, None] > negatives).mean() + (positives[:, None] == negatives).mean() / 2)


def test_pairs_of_different_numbers_are_rejected() -> None:
    with pytest.raises(ValueError, match="had 2 and 1"):
        detection([1.0, 2.0], [1.0], paired=True)
