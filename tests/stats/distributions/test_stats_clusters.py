"""Clusters and effective numbers of clusters, against scikit-learn, definitions and known cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from assay.stats.distributions.clusters import clusters, effective_clusters, vendi

ROWS = st.lists(st.tuples(*[st.integers(-2, 2).map(float)] * 3), max_size=20)


def separated_clusters(count: int, each: int, noise: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.repeat(np.eye(count, 12), each, axis=0) + rng.normal(0, noise, (count * each, 12))


def test_separated_clusters_are_recovered() -> None:
    result = clusters(separated_clusters(6, 30), 6, seed=1)
    assert all(len(set(part)) == 1 for part in np.split(result.of, 6))
    assert len(set(result.of)) == 6
    assert np.linalg.norm(result.centers, axis=1) == pytest.approx(np.ones(6), abs=1e-6)
    assert (result.nearest(np.eye(6, 12)) == result.of[::30]).all()


def test_inertia_is_close_to_scikit_learn_on_unit_vectors() -> None:
    rows = np.random.default_rng(2).normal(size=(400, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ours = clusters(rows, 10)
    theirs = KMeans(10, n_init=1, random_state=0).fit(rows)
    inertia = sum(float(((rows[ours.of == k] - rows[ours.of == k].mean(0)) ** 2).sum()) for k in set(ours.of))
    assert inertia == pytest.approx(theirs.inertia_, rel=0.05)


@given(rows=ROWS, count=st.integers(1, 6))
def test_every_row_is_assigned_to_the_nearest_center(rows: list[tuple[float, ...]], count: int) -> None:
    vectors = np.asarray(rows, dtype=np.float64).reshape(len(rows), 3)
    result = clusters(vectors, count)
    assert len(result.of) == len(rows)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths == 0, 1, lengths)
    assert len(result.centers) <= min(count, len(np.unique(unit.round(5), axis=0)))
    if rows:
        cosines = unit @ result.centers.T.astype(np.float64)
        assert np.allclose(cosines[np.arange(len(rows)), result.of], cosines.max(axis=1), atol=1e-5)
        same = clusters(vectors, count)
        assert (same.of == result.of).all()


def test_effective_clusters_is_the_exponential_of_the_entropy() -> None:
    assert effective_clusters([]) == 0.0
    assert effective_clusters([7, 7, 7]) == 1.0
    assert effective_clusters([0, 1, 2, 3]) == pytest.approx(4.0)
    assert effective_clusters([0, 0, 0, 1]) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


@pytest.mark.parametrize("shape", [(5, 12), (40, 12), (1, 3)])
def test_vendi_equals_its_definition(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(3).normal(size=shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(rows @ rows.T / len(rows))
    shares = shares[shares > 1e-12]
    assert vendi(rows) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_vendi_of_identical_and_orthogonal_rows() -> None:
    assert vendi(np.empty((0, 4))) == 0.0
    assert vendi(np.ones((9, 4))) == pytest.approx(1.0)
    assert vendi(np.eye(7)) == pytest.approx(7.0)
    assert vendi(np.repeat(np.eye(3), 5, axis=0)) == pytest.approx(3.0)


def test_zero_clusters_are_rejected_and_no_rows_are_allowed() -> None:
    with pytest.raises(ValueError, match="was 0"):
        clusters(np.eye(3), 0)
    assert len(clusters(np.empty((0, 3)), 4).of) == 0
