import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import bootstrap, norm, t, ttest_rel

from assay.stats import paired_bootstrap, verdict


def slow_interval(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], resamples: int) -> tuple[float, float]:
    """Interval of `paired_bootstrap` from resampled indices instead of counts of patterns."""
    rng = np.random.default_rng(99)
    draws = []
    for _ in range(resamples):
        items = rng.integers(0, a.shape[1], a.shape[1])
        seeds_a = rng.integers(0, len(a), max(len(a) - 1, 1))
        seeds_b = rng.integers(0, len(b), max(len(b) - 1, 1))
        draws.append(a[seeds_a][:, items].mean() - b[seeds_b][:, items].mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    # Welch and Satterthwaite over the variances of the two sides' seeds and of the items.
    parts = [(side.mean(axis=1).var(ddof=1) / len(side), len(side) - 1) for side in (a, b) if len(side) > 1]
    parts.append((max(0.0, np.var(draws) - sum(v for v, _ in parts)), a.shape[1] - 1))
    freedom = sum(v for v, _ in parts) ** 2 / sum(v**2 / f for v, f in parts)
    wider = t.ppf(0.975, freedom) / norm.ppf(0.975)
    middle = a.mean() - b.mean()
    return float(middle + (low - middle) * wider), float(middle + (high - middle) * wider)


@pytest.mark.parametrize(("seeds_a", "seeds_b", "binary"), [(1, 1, True), (3, 3, True), (2, 4, True), (3, 3, False)])
def test_paired_bootstrap_equals_a_slow_implementation(seeds_a: int, seeds_b: int, *, binary: bool) -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(size=300)
    a = rng.normal(0.4, 1, (seeds_a, 1)) * 0.1 + hard + rng.normal(size=(seeds_a, 300))
    b = rng.normal(0.0, 1, (seeds_b, 1)) * 0.1 + hard + rng.normal(size=(seeds_b, 300))
    if binary:
        a, b = (a > 0).astype(float), (b > 0).astype(float)
    effect = paired_bootstrap(a, b, seed=1, resamples=8_000).effect
    low, high = slow_interval(a, b, 8_000)
    width = high - low
    assert effect.low == pytest.approx(low, abs=0.06 * width)
    assert effect.high == pytest.approx(high, abs=0.06 * width)
    assert effect.estimate == pytest.approx(a.mean() - b.mean())


def test_interval_of_one_seed_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(500) < 0.85, rng.random(500) < 0.8
    oracle = bootstrap(
        (ours.astype(float) - theirs,), np.mean, n_resamples=8_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    effect = paired_bootstrap(ours, theirs, seed=1).effect
    assert effect.low == pytest.approx(oracle.low, abs=0.003)
    assert effect.high == pytest.approx(oracle.high, abs=0.003)


def test_paired_bootstrap_is_reproducible_and_identical_arms_do_not_differ() -> None:
    column = np.random.default_rng(0).random(1000) < 0.9
    effect = paired_bootstrap(column, column, seed=7).effect
    assert (effect.low, effect.high) == (0, 0)
    assert verdict(effect) == "no significant difference"
    other = np.roll(column, 1)
    assert paired_bootstrap(column, other, seed=7) == paired_bootstrap(column, other, seed=7)


def test_memory_is_bounded_for_many_items() -> None:
    rng = np.random.default_rng(0)
    tracemalloc.start()
    paired_bootstrap(rng.random((3, 10_000)) < 0.87, rng.random((3, 10_000)) < 0.86, seed=0)
    paired_bootstrap(rng.random(10_000), rng.random(10_000), seed=0, resamples=1_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.full
@pytest.mark.parametrize(
    ("seeds", "luck", "items"), [(1, 0.0, 2_000), (3, 0.0, 500), (3, 0.002, 2_000), (3, 0.02, 2_000), (5, 0.02, 500)]
)
def test_false_positive_rate_of_the_verdict_is_nominal(seeds: int, luck: float, items: int) -> None:
    """A verdict in at most 5% of 1,000 comparisons of equal models, for small and large variance between trainings.

    One seed has no estimate of the variance between trainings, so it is 0 there.
    """
    wrong, small = 0, 0
    for repeat in range(1_000):
        rng = np.random.default_rng(repeat)
        chance = np.clip(rng.beta(4, 0.6, items), 0, 1)
        arms = [rng.random((seeds, items)) < chance + rng.normal(0, luck, (seeds, 1)) for _ in range(2)]
        paired = paired_bootstrap(*arms, seed=repeat, resamples=500)
        wrong += verdict(paired.effect) != "no significant difference"
        assert paired.p is not None
        small += paired.p <= 0.05
    assert wrong <= 50
    assert abs(small - wrong) <= 3


def test_p_equals_a_paired_t_test_for_many_items() -> None:
    rng = np.random.default_rng(2)
    ours, theirs = rng.normal(0.05, 1, 2_000), rng.normal(0, 1, 2_000)
    p = paired_bootstrap(ours, theirs, seed=0, resamples=20_000).p
    assert p == pytest.approx(ttest_rel(ours, theirs).pvalue, abs=0.01)


def test_large_differences_are_significant() -> None:
    rng = np.random.default_rng(0)
    assert verdict(paired_bootstrap(rng.random(10_000) < 0.88, rng.random(10_000) < 0.86, seed=0).effect) == "helped"
    assert verdict(paired_bootstrap(rng.random(10_000) < 0.86, rng.random(10_000) < 0.88, seed=0).effect) == "hurt"


def test_one_item_has_no_interval_and_no_verdict() -> None:
    paired = paired_bootstrap([1.0], [0.0], seed=0)
    effect = paired.effect
    assert paired.p is None
    assert (effect.low, effect.n, verdict(effect)) == (None, 1, "no significant difference")


@pytest.mark.parametrize(("ours", "theirs"), [([1, 0], [1]), ([], []), ([float("nan"), 1], [0, 1]), ([[[1]]], [[[1]]])])
def test_invalid_outcomes_are_rejected(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        paired_bootstrap(ours, theirs, seed=0)
