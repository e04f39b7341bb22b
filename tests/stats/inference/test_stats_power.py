import numpy as np
import pytest

from assay.stats import minimum_detectable_difference, paired_bootstrap, verdict


@pytest.mark.parametrize(("n", "expected"), [(10_000, 0.0089), (500, 0.0395)])
def test_how_large_a_difference_so_many_items_can_show(n: int, expected: float) -> None:
    """Two models that differ on one item of ten: 10,000 items show 0.9 points, 500 show 4."""
    assert minimum_detectable_difference(n, 0.1) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n", [pytest.param(10_000, marks=pytest.mark.full), 500])
def test_the_bootstrap_shows_it_four_times_in_five(n: int) -> None:
    differing = 0.1
    difference = minimum_detectable_difference(n, differing)
    better, worse = (differing + difference) / 2, (differing - difference) / 2
    shown = 0
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        lot = rng.random(n)
        ours, theirs = lot < 0.8, lot < 0.8
        ours[(lot >= 0.8) & (lot < 0.8 + better)] = True
        theirs[(lot >= 0.8 + better) & (lot < 0.8 + better + worse)] = True
        shown += verdict(paired_bootstrap(ours, theirs, seed=repeat, resamples=1_000).effect) == "helped"
    assert shown / 400 == pytest.approx(0.8, abs=0.06)


def test_more_items_show_less_and_nothing_exceeds_what_differs() -> None:
    found = [minimum_detectable_difference(n, 0.1) for n in (10, 100, 1_000, 100_000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 0.1
    assert minimum_detectable_difference(100, 0.0) == 0
    for bad in ((1, 0.1), (10, 1.5), (10, -0.1)):
        with pytest.raises(ValueError):  # noqa: PT011
            minimum_detectable_difference(*bad)
