from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from assay.stats.ratings.length_control import PENALTY, Benchmark, l1_logistic, length_audit, length_controlled
from shared_data import shared


def slow_l1(x: np.ndarray, weights: np.ndarray, moments: np.ndarray, penalty: float) -> np.ndarray:
    """A general optimizer over b = up - down with both at least 0, where the penalty is smooth."""
    p = len(moments)

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        b = v[:p] - v[p:]
        value = weights @ np.logaddexp(0, x @ b) - moments @ b + penalty * v.sum()
        slope = x.T @ (weights * expit(x @ b)) - moments
        return value, np.concatenate([slope, -slope]) + penalty

    options = {"ftol": 1e-16, "gtol": 1e-10, "maxiter": 100_000, "maxfun": 200_000}
    optimum = minimize(
        loss, np.zeros(2 * p), jac=True, bounds=[(0, None)] * 2 * p, method="L-BFGS-B", options=options
    ).x
    return optimum[:p] - optimum[p:]


@given(st.integers(1, 4), st.integers(5, 60), st.integers(0, 10_000), st.sampled_from([0.01, 0.3, 3.0, 30.0]))
@example(3, 54, 224, 0.01)
def test_l1_logistic_equals_a_general_optimizer(p: int, n: int, seed: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    x, weights, labels = rng.normal(size=(n, p)), rng.uniform(0, 2, n), rng.uniform(0, 1, n)
    moments = x.T @ (weights * labels)
    solution = l1_logistic(x, weights, moments, penalty)
    general = slow_l1(x, weights, moments, penalty)

    def loss(b: np.ndarray) -> float:
        return float(weights @ np.logaddexp(0, x @ b) - moments @ b + penalty * np.abs(b).sum())

    # Losses, not coefficients: a general optimizer may stop early where the loss is flat (seed 224).
    assert loss(solution) == pytest.approx(loss(general), abs=1e-4)
    assert loss(solution) <= loss(general) + 1e-12
    # The conditions of the minimum: at 0 the slope is within the penalty, elsewhere it cancels it.
    slope = x.T @ (weights * expit(x @ solution)) - moments
    violation = np.where(
        solution == 0, np.maximum(np.abs(slope) - penalty, 0), np.abs(slope + penalty * np.sign(solution))
    )
    assert violation.max() < 1e-10


def test_soft_labels_equal_weighted_hard_labels() -> None:
    """Each item is a win weighted by its label and a loss weighted by the rest, as AlpacaEval fits liblinear."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(50, 2)), rng.uniform(0, 1, 50)
    once = l1_logistic(x, np.ones(50), x.T @ labels, 0.5)
    twice, label_weights = np.concatenate([x, x]), np.concatenate([labels, 1 - labels])
    hard = np.concatenate([np.ones(50), np.zeros(50)])
    assert once == pytest.approx(l1_logistic(twice, label_weights, twice.T @ (label_weights * hard), 0.5), abs=1e-10)


def test_l1_logistic_equals_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3))
    labels = (rng.random(400) < expit(x @ [1.0, 0.0, -2.0])).astype(float)
    oracle = LogisticRegression(l1_ratio=1.0, C=1 / 5, solver="saga", fit_intercept=False, tol=1e-10, max_iter=100_000)
    oracle.fit(x, labels)
    assert l1_logistic(x, np.ones(400), x.T @ labels, 5.0) == pytest.approx(oracle.coef_[0], abs=1e-6)


@pytest.mark.parametrize(
    ("x", "weights", "moments", "penalty", "place"),
    [
        ([[1.0]], [1.0, 1.0], [0.0], 1.0, "\\(2,\\)"),
        ([[1.0]], [1.0], [0.0], 0.0, "penalty"),
        ([[1.0]], [-1.0], [0.0], 1.0, "weights"),
        ([[1.0]], [1.0], [9.0], 1.0, "moments"),
    ],
)
def test_regressions_without_a_minimum_are_rejected(
    x: object, weights: object, moments: object, penalty: float, place: str
) -> None:
    with pytest.raises(ValueError, match=place):
        l1_logistic(x, weights, moments, penalty)  # type: ignore[arg-type]


def test_length_controlled_win_rate_minimizes_its_definition() -> None:
    """Against the regression written out row by row, with labels for the gamed rows that have the moments."""
    rng = np.random.default_rng(2)
    n = 120
    hard = rng.normal(0, 1, n)
    base, verbose, concise, mine = (rng.integers(200, 3000, n).astype(float) for _ in range(4))
    preferences = np.where(rng.random(n) < 0.05, 0.0, rng.uniform(1, 2, n))
    fit = length_controlled(preferences, mine, base, np.arange(n), Benchmark(hard, base, verbose, concise))

    def term(difference: np.ndarray) -> np.ndarray:
        return np.tanh(difference / np.sqrt(((difference - difference.mean()) ** 2).sum() / (n - 1)))

    labels = [0.5 if preference == 0 else preference - 1 for preference in preferences]

    def loss(v: np.ndarray) -> float:
        total = PENALTY * np.abs(v).sum()
        for length, item, label in zip(term(base - mine), hard, labels, strict=True):
            eta = v[0] * length + v[1] * item + v[2]
            total += np.log1p(np.exp(eta)) - label * eta
        for side in (verbose, concise):
            total += 0.1 * np.log1p(np.exp(v[0] * term(base - side) + v[1] * hard)).sum()
        return float(total - (-18.26991 * v[0] + 41.29286 * v[1]))

    fitted = np.array([fit.length, fit.difficulty, fit.model])
    for step in np.concatenate([np.eye(3), -np.eye(3)]) * 1e-3:
        assert loss(fitted) < loss(fitted + step)
    assert fit.win_rate == pytest.approx(np.mean(labels))
    assert fit.length_controlled == pytest.approx(expit(fit.difficulty * hard + fit.model).mean())


def test_items_without_judgment_are_predicted_but_not_fitted() -> None:
    rng = np.random.default_rng(3)
    hard, base, verbose, concise, mine = rng.uniform(1, 1000, (5, 60))
    benchmark = Benchmark(hard / 500 - 1, base, verbose, concise, gamed_moments=(0.5, -0.5))
    preferences = rng.uniform(1, 2, 60)
    preferences[:10] = np.nan
    fit = length_controlled(preferences, mine, base, np.arange(60), benchmark)
    assert fit.win_rate == pytest.approx((preferences[10:] - 1).mean())
    predicted = expit(fit.difficulty * benchmark.difficulty + fit.model)
    assert fit.length_controlled == pytest.approx(predicted.mean())


@pytest.mark.parametrize(
    ("preferences", "mine", "place"),
    [
        ([1.5, 2.5, 1.0], [1, 2, 3], "preferences"),
        ([np.nan] * 3, [1, 2, 3], "preferences"),
        ([1.5, 1.5, 1.5], [5, 5, 5], "characters"),
        ([1.5, 1.5], [1, 2, 3], "\\(2,\\), \\(3,\\)"),
    ],
)
def test_invalid_preferences_and_lengths_are_rejected(preferences: list[float], mine: list[int], place: str) -> None:
    benchmark = Benchmark(*np.arange(12.0).reshape(4, 3) ** 2)
    with pytest.raises(ValueError, match=place):
        length_controlled(preferences, mine, [5, 5, 5], [0, 1, 2], benchmark)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_length_controlled_win_rates_are_close_to_published_ones() -> None:
    """Mean 0.041 and at most 0.085 points off; AlpacaEval chose another C of its grid for some models (LOG.md)."""
    folder = shared("alpaca-eval/annotations.csv") / "alpaca-eval"
    items = rows(folder / "items.csv")
    names = ("difficulty", "baseline_characters", "verbose_characters", "concise_characters")
    benchmark = Benchmark(*(np.array([float(row[name]) for row in items]) for name in names))
    annotations = rows(folder / "annotations.csv")
    errors = []
    for published in rows(folder / "published.csv"):
        if published["model"] == "gpt4_1106_preview":
            continue
        model_rows = [row for row in annotations if row["model"] == published["model"]]
        columns = ("preference", "model_characters", "baseline_characters", "item")
        result = length_controlled(*([float(row[name]) for row in model_rows] for name in columns), benchmark)
        assert 100 * result.win_rate == pytest.approx(float(published["win_rate"]), abs=1e-6)
        assert 100 * (result.standard_error or 0) == pytest.approx(float(published["standard_error"]), abs=1e-6)
        errors.append(abs(100 * result.length_controlled - float(published["length_controlled_win_rate"])))
    assert np.mean(errors) < 0.05
    assert max(errors) < 0.1


def pairs(n: int, seed: int, lean: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(1000 + 400 * lean, 300, n), rng.normal(1000, 300, n)


def test_length_audit_of_a_judge_that_always_prefers_the_longer_text() -> None:
    mine, theirs = pairs(400, 0)
    audit = length_audit((mine > theirs).astype(float), mine, theirs, resamples=200)
    assert audit.follows_length
    assert audit.longer_preferred is not None
    assert (audit.longer_preferred.estimate, audit.longer_preferred.high) == (1, 1)
    assert audit.win_rate.low is not None
    assert audit.win_rate.low > 0.6  # although only the lengths differ
    assert audit.length_controlled is not None
    assert audit.length_controlled.low <= 0.5 <= audit.length_controlled.high  # type: ignore[operator]
    assert audit.correlation is not None
    assert audit.correlation.low > 0.7  # type: ignore[operator]


def test_length_audit_of_a_judge_that_mostly_prefers_the_longer_text() -> None:
    mine, theirs = pairs(1000, 0)
    careless = np.random.default_rng(1).random(1000) < 0.2
    audit = length_audit(((mine > theirs) != careless).astype(float), mine, theirs, resamples=200)
    assert audit.follows_length
    assert audit.shift is not None
    assert audit.shift.low > 0.02  # type: ignore[operator]
    assert audit.length_controlled is not None
    assert audit.length_controlled.low < 0.5 < audit.length_controlled.high  # type: ignore[operator]


def test_length_audit_has_few_false_positives() -> None:
    detected = 0
    for seed in range(30):
        mine, theirs = pairs(200, seed)
        judged = (np.random.default_rng(1000 + seed).random(200) < 0.7).astype(float)
        audit = length_audit(judged, mine, theirs, resamples=60)
        # The model's texts are longer and win more often, which alone is no length bias.
        detected += bool(audit.correlation is not None and audit.correlation.low > 0)  # type: ignore[operator]
    assert detected <= 5
    mine, theirs = pairs(400, 7)
    judged = (np.random.default_rng(8).random(400) < 0.7).astype(float)
    audit = length_audit(judged, mine, theirs, resamples=200)
    assert audit.shift is not None
    assert audit.shift.low < 0 < audit.shift.high  # type: ignore[operator]
    assert audit.length_controlled is not None
    assert audit.length_controlled.estimate == pytest.approx(0.7, abs=0.08)


def test_length_control_needs_longer_answers_on_both_sides() -> None:
    mine, theirs = np.arange(1000.0, 1050), np.arange(50.0)
    audit = length_audit(np.ones(50), mine, theirs)
    assert (audit.length_controlled, audit.shift, audit.correlation) == (None, None, None)
    assert audit.win_rate.estimate == 1
    same = length_audit([0.5] * 3, [5, 5, 5], [5, 5, 5])
    assert same.longer_preferred is None
    assert not same.follows_length


def test_length_audit_of_swapped_sides_is_complementary() -> None:
    mine, theirs = pairs(150, 3)
    judged = np.random.default_rng(4).uniform(0, 1, 150)
    audit, swapped = (
        length_audit(judged, mine, theirs, resamples=50),
        length_audit(1 - judged, theirs, mine, resamples=50),
    )
    assert audit.length_controlled is not None
    assert swapped.length_controlled is not None
    assert audit.length_controlled.estimate == pytest.approx(1 - swapped.length_controlled.estimate)
    assert audit.length_controlled.low == pytest.approx(1 - swapped.length_controlled.high)  # type: ignore[operator]
    assert audit.correlation == swapped.correlation
    assert audit.longer_preferred == swapped.longer_preferred


def test_preferences_out_of_range_are_rejected() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        length_audit([1.5, 1], [1, 2], [3, 4])
