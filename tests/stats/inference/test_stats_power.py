import numpy as np
import pytest

from assay.stats import minimum_detectable_difference, paired_bootstrap, verdict


@pytest.mark.parametrize(("n", "expected"), [(10_000, 0.0089), (500, 0.0395)])
def test_minimum_detectable_difference_of_two_sample_sizes(n: int, expected: float) -> None:
    """With 10% discordant items, 10,000 items detect 0.9 points and 500 items 4."""
    assert minimum_detectable_difference(n, 0.1) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n", [pytest.param(10_000, marks=pytest.mark.full), 500])
def test_bootstrap_detects_the_minimum_detectable_difference_with_nominal_power(n: int) -> None:
    differing = 0.1
    difference = minimum_detectable_difference(n, differing)
    better, worse = (differing + difference) / 2, (differing - difference) / 2
    detected = 0
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        draws = rng.random(n)
        ours, theirs = draws < 0.8, draws < 0.8
        ours[(draws >= 0.8) & (draws < 0.8 + better)] = True
        theirs[(draws >= 0.8 + better) & (draws < 0.8 + better + worse)] = True
        detected += verdict(paired_bootstrap(ours, theirs, seed=repeat, resamples=1_000).effect) == "helped"
    assert detected / 400 == pytest.approx(0.8, abs=0.06)


def test_minimum_detectable_difference_decreases_with_n_and_is_bounded() -> None:
    differences = [minimum_detectable_difference(n, 0.1) for n in (10, 100, 1_000, 100_000)]
    assert differences == sorted(differences, reverse=True)
    assert differences[0] == 0.1
    assert minimum_detectable_difference(100, 0.0) == 0
    for bad in ((1, 0.1), (10, 1.5), (10, -0.1)):
        with pytest.raises(ValueError):  # noqa: PT011
            minimum_detectable_difference(*bad)
