import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from assay.stats.confidence.ood_scores import energy, fit_vim, knn_distance, max_logit, principal_dimensions


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_max_logit_and_energy() -> None:
    logits = rows(50, 7)
    assert max_logit(logits).tolist() == [max(row) for row in logits.tolist()]
    assert energy(logits) == pytest.approx([np.log(sum(np.exp(v) for v in row)) for row in logits])
    assert np.isfinite(energy(logits * 1000)).all()


@pytest.mark.parametrize("k", [1, 3, 40])
def test_nearest_is_scikit_learns(k: int) -> None:
    items, bank = rows(2100, 6), rows(40, 6, 1)
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (items, bank)]
    distance, _ = NearestNeighbors(n_neighbors=k).fit(unit[1]).kneighbors(unit[0])
    assert knn_distance(items, bank, k) == pytest.approx(-distance[:, -1], abs=1e-7)
    with pytest.raises(ValueError):  # noqa: PT011
        knn_distance(items, bank, 41)


def test_vim_is_the_authors_code() -> None:
    """Their steps, with scikit-learn's covariance as they use it."""
    known, others = rows(300, 12), rows(40, 12, 1) * 2
    weight, bias = rows(4, 12, 2), rows(1, 4, 3)[0]
    origin = -np.matmul(np.linalg.pinv(weight), bias)
    covariance = EmpiricalCovariance(assume_centered=True).fit(known - origin)
    values, vectors = np.linalg.eig(covariance.covariance_)
    residual = np.ascontiguousarray((vectors.T[np.argsort(values * -1)[6:]]).T)
    logits = known @ weight.T + bias
    virtual = np.linalg.norm(np.matmul(known - origin, residual), axis=-1)
    alpha = logits.max(axis=-1).mean() / virtual.mean()
    theirs = others @ weight.T + bias
    expected = -np.linalg.norm(np.matmul(others - origin, residual), axis=-1) * alpha + logsumexp(theirs, axis=-1)
    ours = fit_vim(known, logits, weight, bias, 6)
    assert ours(others, theirs) == pytest.approx(expected)
    with pytest.raises(ValueError):  # noqa: PT011
        fit_vim(known, logits, weight, bias, 12)


def test_dimensions_as_the_authors_take_them() -> None:
    assert [principal_dimensions(d) for d in (2048, 768, 512, 100)] == [1000, 512, 256, 50]
