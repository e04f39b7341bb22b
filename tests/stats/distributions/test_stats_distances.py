import numpy as np
import pytest
from scipy.spatial.distance import cdist

from assay.stats.distributions.distances import cmmd, density_coverage, duplicate_rate, kid, nearest_rows, unit_rows


def rows(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


def slow_mmd2(a: np.ndarray, b: np.ndarray, kernel: object) -> float:
    assert callable(kernel)
    n, m = len(a), len(b)
    aa = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    bb = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return aa + bb - 2 * sum(kernel(x, y) for x in a for y in b) / (n * m)


def test_kid_and_cmmd_equal_a_slow_implementation() -> None:
    a, b = rows(20, 4, 0), rows(20, 4, 1, 0.3)
    assert kid(a, b).estimate == pytest.approx(slow_mmd2(a, b, lambda x, y: (x @ y / 4 + 1) ** 3))
    c, d = rows(15, 4, 0), rows(21, 4, 1, 0.3)
    gauss = slow_mmd2(c, d, lambda x, y: np.exp(-((x - y) ** 2).sum() / 200))
    assert cmmd(c, d) == pytest.approx(1000 * gauss)


def test_blocks_do_not_change_the_numbers() -> None:
    a, b = rows(1500, 3, 0), rows(1100, 3, 1, 0.1)
    squared = [cdist(x, y, "sqeuclidean") for x, y in ((a, a), (b, b), (a, b))]
    k = [np.exp(-part / 200) for part in squared]
    n, m = len(a), len(b)
    expected = (k[0].sum() - n) / (n * (n - 1)) + (k[1].sum() - m) / (m * (m - 1)) - 2 * k[2].mean()
    assert cmmd(a, b) == pytest.approx(1000 * expected, abs=1e-6)
    index, distance = nearest_rows(a, b)
    assert (index == squared[2].argmin(axis=1)).all()
    assert distance == pytest.approx(np.sqrt(squared[2].min(axis=1)), abs=1e-6)


def test_kid_of_one_distribution_is_zero_on_average() -> None:
    values = [kid(rows(100, 5, 2 * s), rows(100, 5, 2 * s + 1)).estimate for s in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 60**0.5
    assert min(values) < 0 < max(values)
    subsets = kid(rows(500, 5, 1), rows(500, 5, 2, 0.5), subset=100, draws=20)
    assert subsets.low is not None
    assert 0 < subsets.low < subsets.estimate


def slow_density_coverage(real: np.ndarray, generated: np.ndarray, k: int) -> tuple[float, float]:
    """As the authors' code: distances of all pairs, radii from the k-th neighbor other than itself."""
    radii = np.sort(cdist(real, real), axis=1)[:, k]
    inside = cdist(real, generated) < radii[:, None]
    return inside.sum(axis=0).mean() / k, inside.any(axis=1).mean()


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_equal_a_slow_implementation(k: int) -> None:
    real, generated = rows(1200, 4, 0), rows(1100, 4, 1, 0.2)
    result = density_coverage(real, generated, k)
    assert (result.density, result.coverage) == pytest.approx(slow_density_coverage(real, generated, k))


@pytest.mark.parametrize(("n", "m"), [(60, 60), (60, 20)])
def test_expected_density_and_coverage_are_those_of_one_distribution(n: int, m: int) -> None:
    results = [density_coverage(rows(n, 3, 2 * s), rows(m, 3, 2 * s + 1)) for s in range(300)]
    assert np.mean([result.density for result in results]) == pytest.approx(results[0].expected_density, abs=0.03)
    assert np.mean([result.coverage for result in results]) == pytest.approx(results[0].expected_coverage, abs=0.01)


def test_sets_of_different_width_or_too_few_rows_are_rejected() -> None:
    for call in (kid, cmmd, density_coverage, nearest_rows):
        with pytest.raises(ValueError):  # noqa: PT011
            call(rows(5, 2, 0), rows(5, 3, 0))
    with pytest.raises(ValueError):  # noqa: PT011
        density_coverage(rows(5, 2, 0), rows(5, 2, 1))


@pytest.mark.parametrize("similarity", [0.2, 0.9, 0.9999])
def test_duplicate_rate_equals_the_pairwise_count(similarity: float) -> None:
    a = np.concatenate([rows(40, 5, 0), 2 * rows(40, 5, 0)[:7], rows(1500, 5, 1)[1490:], np.zeros((1, 5))])
    cosines = 1 - cdist(a[:-1], a[:-1], "cosine")
    np.fill_diagonal(cosines, -2)
    assert duplicate_rate(a, similarity) == pytest.approx((cosines.max(axis=1) >= similarity).sum() / len(a))
    assert duplicate_rate(a[:1], -1.0) == 0  # none is its own duplicate
    assert np.allclose(np.linalg.norm(unit_rows(a), axis=1), [1.0] * (len(a) - 1) + [0.0])
    with pytest.raises(ValueError):  # noqa: PT011
        duplicate_rate(np.empty((0, 5)), similarity)
