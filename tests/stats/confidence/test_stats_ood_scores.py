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
def test_knn_distance_equals_scikit_learn(k: int) -> None:
    items, bank = rows(2100, 6), rows(40, 6, 1)
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (items, bank)]
    distance, _ = NearestNeighbors(n_neighbors=k).fit(unit[1]).kneighbors(unit[0])
    assert knn_distance(items, bank, k) == pytest.approx(-distance[:, -1], abs=1e-7)
    with pytest.raises(ValueError):  # noqa: PT011
        knn_distance(items, bank, 41)


def test_vim_equals_the_official_code() -> None:
    """Steps of the official code, with scikit-learn's covariance."""
    features, ood_features = rows(300, 12), rows(40, 12, 1) * 2
    weight, bias = rows(4, 12, 2), rows(1, 4, 3)[0]
    origin = -np.matmul(np.linalg.pinv(weight), bias)
    covariance = EmpiricalCovariance(assume_centered=True).fit(features - origin)
    values, vectors = np.linalg.eig(covariance.covariance_)
    residual = np.ascontiguousarray((vectors.T[np.argsort(values * -1)[6:]]).T)
    logits = features @ weight.T + bias
    virtual = np.linalg.norm(np.matmul(features - origin, residual), axis=-1)
    alpha = logits.max(axis=-1).mean() / virtual.mean()
    theirs = ood_features @ weight.T + bias
    expected = -np.linalg.norm(np.matmul(ood_features - origin, residual), axis=-1) * alpha + logsumexp(theirs, axis=-1)
    ours = fit_vim(features, logits, weight, bias, 6)
    assert ours(ood_features, theirs) == pytest.approx(expected)
    with pytest.raises(ValueError):  # noqa: PT011
        fit_vim(features, logits, weight, bias, 12)


def test_principal_dimensions_of_the_paper() -> None:
    assert [principal_dimensions(d) for d in (2048, 768, 512, 100)] == [1000, 512, 256, 50]
