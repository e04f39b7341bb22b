import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.stats import chinchilla, power_law
from assay.stats.scaling.chinchilla import Chinchilla
from assay.stats.scaling.power_law import PowerLaw, emergence, exchange_rate, stops_helping

SIZES = np.array([100, 200, 400, 800, 1600, 3200, 6400, 12800])


@pytest.mark.parametrize("truth", [PowerLaw(0.08, 3.0, 0.5), PowerLaw(0.0, 1.2, 0.2), PowerLaw(0.15, 40.0, 1.0)])
def test_known_constants_are_recovered(truth: PowerLaw) -> None:
    curve = power_law(SIZES, truth(SIZES), resamples=10).curve
    assert curve.floor == pytest.approx(truth.floor, abs=2e-3)
    assert curve.exponent == pytest.approx(truth.exponent, rel=0.02)
    assert curve(SIZES) == pytest.approx(truth(SIZES), rel=1e-3)


@pytest.mark.full
def test_power_law_intervals_have_nominal_coverage() -> None:
    truth = PowerLaw(0.10, 2.0, 0.45)
    covered = 0
    repeats = 60
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        sizes = np.repeat(SIZES, 4)
        losses = truth(sizes) * np.exp(rng.normal(0, 0.02, len(sizes)))
        fitted = power_law(sizes, losses, seed=repeat, resamples=100)
        effect = fitted.effect(lambda curve: float(curve(50_000)))
        assert effect.low is not None
        assert effect.high is not None
        covered += effect.low <= float(truth(50_000)) <= effect.high
    assert covered / repeats >= 0.85


@pytest.mark.full
@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.floats(1e-4, 1.0)), min_size=3, max_size=12).filter(
        lambda rows: len({size for size, _ in rows}) >= 3
    )
)
@example([(4, 0.0125), (6, 0.0125), (10, 0.0125), (20, 0.0125), (100, 0.0125)])
@example([(4, 0.05), (20, 0.2), (100, 0.9)])
@example([(1, 1.0), (2, 0.0078125), (3, 1.0), (1, 1.0)])
def test_flat_rising_and_jagged_losses_are_fitted(rows: list[tuple[int, float]]) -> None:
    """Fitted curves are within their bounds, and needed sizes are numbers or infinite."""
    sizes, losses = zip(*rows, strict=True)
    fitted = power_law(sizes, losses, resamples=5)
    assert fitted.curve.floor <= max(losses)
    for curve in (fitted.curve, *fitted.resampled):
        assert 0 <= curve.floor < np.inf  # resampled losses are larger than measured ones where residuals are large
        assert curve.scale >= 0
        assert curve.exponent > 0
    assert not np.isnan(fitted.effect(lambda curve: curve.needed(0.1)).estimate)


def test_samples_needed_for_a_loss() -> None:
    truth = PowerLaw(0.05, 2.0, 0.5)
    fitted = power_law(SIZES, truth(SIZES) * (1 + 0.002 * (-1.0) ** np.arange(8)), resamples=200)
    answer = fitted.effect(lambda curve: curve.needed(0.10))
    assert answer.estimate == pytest.approx(1600, rel=0.05)
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low < 1600 < answer.high
    assert truth.needed(0.05) == float("inf")


def test_a_loss_below_the_floor_needs_infinite_samples() -> None:
    fitted = power_law(SIZES, PowerLaw(0.2, 2.0, 0.5)(SIZES), resamples=50)
    answer = fitted.effect(lambda curve: curve.needed(0.1))
    assert (answer.estimate, answer.low, answer.high) == (float("inf"),) * 3


def test_three_measurements_have_no_interval() -> None:
    effect = power_law([50, 150, 435], [0.376, 0.268, 0.211]).effect(lambda curve: curve.needed(0.22))
    assert effect.estimate == pytest.approx(350, abs=2)
    assert (effect.low, effect.high) == (None, None)
    assert "no interval" in effect.method


def test_overflow_of_a_size_is_infinite() -> None:
    assert PowerLaw(0.0, 1e3, 0.01).needed(1e-9) == float("inf")
    assert stops_helping(PowerLaw(0.0, 1e9, 0.01), 1e-6) == float("inf")


def test_stops_helping_is_the_size_with_the_given_gain_of_doubling() -> None:
    curve = PowerLaw(0.05, 2.0, 0.5)
    size = stops_helping(curve, gain=0.01)
    assert float(curve(size) - curve(2 * size)) == pytest.approx(0.01)


def test_exchange_rate_of_generated_samples() -> None:
    truth = PowerLaw(0.1, 3.0, 0.5)
    real = power_law(SIZES, truth(SIZES), resamples=50)
    # 5,000 generated samples have the loss of 1,000 real ones.
    rate = exchange_rate(real, float(truth(1_000)), 5_000)
    assert rate.estimate == pytest.approx(0.2, rel=0.03)


def test_chinchilla_recovers_the_published_constants() -> None:
    """Hoffmann et al. 2022, equation 10 as fitted there: E 1.69, A 406.4, alpha 0.34, B 410.7, beta 0.28."""
    truth = Chinchilla(1.69, 406.4, 0.34, 410.7, 0.28)
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(7e7, 1.6e10, 8), np.geomspace(5e9, 5e11, 8)))
    curve = chinchilla(n, d, truth(n, d), resamples=2).curve
    assert curve.floor == pytest.approx(1.69, rel=0.01)
    assert (curve.alpha, curve.beta) == pytest.approx((0.34, 0.28), rel=0.02)
    assert curve(n, d) == pytest.approx(truth(n, d), rel=1e-4)
    parameters, tokens = truth.best_split(1e21)
    assert 6 * parameters * tokens == pytest.approx(1e21)
    others = np.geomspace(parameters / 3, parameters * 3, 41)
    assert truth(others, 1e21 / 6 / others).min() == pytest.approx(float(truth(parameters, tokens)), rel=1e-9)


@pytest.mark.full
def test_chinchilla_intervals_have_nominal_coverage() -> None:
    truth = Chinchilla(1.69, 406.4, 0.34, 410.7, 0.28)
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(7e7, 1.6e10, 5), np.geomspace(5e9, 5e11, 5)))
    covered = 0
    for repeat in range(20):
        noise = np.exp(np.random.default_rng(repeat).normal(0, 0.005, len(n)))
        fitted = chinchilla(n, d, truth(n, d) * noise, seed=repeat, resamples=60)
        best = fitted.effect(lambda curve: curve.best_split(1e22)[0])
        assert best.low is not None
        assert best.high is not None
        covered += best.low <= truth.best_split(1e22)[0] <= best.high
    assert covered >= 16


def test_a_jump_is_real_only_if_the_smoother_metric_jumps() -> None:
    """Exact match of 20 tokens is the 20th power of a token accuracy that rises evenly (Schaeffer et al. 2023)."""
    sizes = np.geomspace(1e6, 1e9, 5)
    token = np.linspace(0.5, 0.999, 5)
    jump = emergence(sizes, token**20, token)
    assert jump is not None
    assert jump.real is False
    both = emergence(sizes, [0.1, 0.1, 0.1, 0.9, 0.92], [0.2, 0.2, 0.21, 0.8, 0.81])
    assert both is not None
    assert both.real is True
    assert both.at == sizes[2]
    assert emergence(sizes, token, token) is None
    single = emergence(sizes, token**20)
    assert single is not None
    assert single.real is None


@pytest.mark.parametrize(
    ("sizes", "losses", "place"),
    [([1, 2], [1, 1], "had 2"), ([1, 2, 3], [1, 2], "\\(3,\\) and \\(2,\\)"), ([1, 2, 3], [1, 0, 1], "losses")],
)
def test_invalid_measurements_are_rejected(sizes: list[float], losses: list[float], place: str) -> None:
    with pytest.raises(ValueError, match=place):
        power_law(sizes, losses)
    with pytest.raises(ValueError):  # noqa: PT011
        chinchilla([1.0], [1.0], [1.0])
    with pytest.raises(ValueError):  # noqa: PT011
        emergence([1, 2, 3], [1, 2, 3])
