import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from assay.stats import calibration, temperature


def items(n: int, factor: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated logits times `factor`: the optimal temperature is `factor`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 5))
    probabilities = softmax(logits, axis=1)
    targets = np.array([rng.choice(5, p=row) for row in probabilities])
    return logits * factor, targets


def slow_ece(logits: np.ndarray, targets: np.ndarray, bins: int) -> float:
    rows = sorted(
        (
            (max(row), int(np.argmax(row) == target))
            for row, target in zip(softmax(logits, axis=1), targets, strict=True)
        ),
        key=lambda pair: pair[0],
    )
    sizes = [len(rows) // bins + (nth < len(rows) % bins) for nth in range(bins)]
    total, start = 0.0, 0
    for size in sizes:
        part = rows[start : start + size]
        start += size
        if part:
            total += abs(sum(c for c, _ in part) - sum(r for _, r in part))
    return total / len(rows)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_ece_equals_a_slow_implementation(n: int, bins: int, seed: int) -> None:
    logits, targets = items(n, 1.5, seed)
    result = calibration(logits, targets, bins)
    assert result.ece == pytest.approx(slow_ece(logits, targets, bins))
    sizes = [b.n for b in result.bins]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1


def test_nll_and_brier_equal_scikit_learn() -> None:
    logits, targets = items(300, 1.0)
    probabilities = softmax(logits, axis=1)
    result = calibration(logits, targets)
    assert result.nll == pytest.approx(log_loss(targets, probabilities, labels=range(5)))
    assert result.brier == pytest.approx(((probabilities - np.eye(5)[targets]) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_recovers_the_scale_of_the_logits(factor: float) -> None:
    logits, targets = items(20_000, factor)
    divisor = temperature(logits, targets)
    assert divisor == pytest.approx(factor, rel=0.05)
    after = calibration(logits / divisor, targets)
    assert after.ece < 0.015
    assert after.nll <= calibration(logits, targets).nll + 1e-12
    # A general optimizer of the same loss has the same optimum.
    rows = np.arange(len(targets))
    other = minimize(lambda t: -log_softmax(logits / t[0], axis=1)[rows, targets].mean(), [1.0], bounds=[(0.05, 20)])
    assert divisor == pytest.approx(float(other.x[0]), rel=1e-3)


def test_an_overconfident_model_has_a_high_ece() -> None:
    logits, targets = items(5_000, 4.0)
    result = calibration(logits, targets)
    assert result.ece > 0.1
    assert result.bins[-1].confidence > result.bins[-1].accuracy


@pytest.mark.parametrize(
    ("logits", "targets"), [([[1.0, 2.0]], [2]), ([1.0], [0]), ([[float("nan"), 0]], [0]), ([], [])]
)
def test_invalid_logits_and_targets_are_rejected(logits: list[object], targets: list[int]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        calibration(logits, targets)  # type: ignore[arg-type]
