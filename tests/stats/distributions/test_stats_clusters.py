"""Groups and how many are filled: against scikit-learn, the n x n matrix, and what is known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from assay.stats.distributions.clusters import clusters, effective_clusters, vendi

ROWS = st.lists(st.tuples(*[st.integers(-2, 2).map(float)] * 3), max_size=20)


def heaps(count: int, each: int, noise: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.repeat(np.eye(count, 12), each, axis=0) + rng.normal(0, noise, (count * each, 12))


def test_heaps_are_found() -> None:
    found = clusters(heaps(6, 30), 6, seed=1)
    assert all(len(set(part)) == 1 for part in np.split(found.of, 6))
    assert len(set(found.of)) == 6
    assert np.linalg.norm(found.centers, axis=1) == pytest.approx(np.ones(6), abs=1e-6)
    assert (found.nearest(np.eye(6, 12)) == found.of[::30]).all()


def test_it_fits_as_well_as_scikit_learn_on_unit_vectors() -> None:
    rows = np.random.default_rng(2).normal(size=(400, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ours = clusters(rows, 10)
    theirs = KMeans(10, n_init=1, random_state=0).fit(rows)
    own = sum(float(((rows[ours.of == k] - rows[ours.of == k].mean(0)) ** 2).sum()) for k in set(ours.of))
    assert own == pytest.approx(theirs.inertia_, rel=0.05)


@given(rows=ROWS, count=st.integers(1, 6))
def test_every_row_is_with_the_centre_that_is_nearest(rows: list[tuple[float, ...]], count: int) -> None:
    vectors = np.asarray(rows, dtype=np.float64).reshape(len(rows), 3)
    found = clusters(vectors, count)
    assert len(found.of) == len(rows)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths == 0, 1, lengths)
    assert len(found.centers) <= min(count, len(np.unique(unit.round(5), axis=0)))
    if rows:
        cosines = unit @ found.centers.T.astype(np.float64)
        assert np.allclose(cosines[np.arange(len(rows)), found.of], cosines.max(axis=1), atol=1e-5)
        same = clusters(vectors, count)
        assert (same.of == found.of).all()


def test_how_many_groups_are_filled() -> None:
    assert effective_clusters([]) == 0.0
    assert effective_clusters([7, 7, 7]) == 1.0
    assert effective_clusters([0, 1, 2, 3]) == pytest.approx(4.0)
    assert effective_clusters([0, 0, 0, 1]) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


@pytest.mark.parametrize("shape", [(5, 12), (40, 12), (1, 3)])
def test_vendi_is_the_definition(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(3).normal(size=shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(rows @ rows.T / len(rows))
    shares = shares[shares > 1e-12]
    assert vendi(rows) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_vendi_of_what_is_known() -> None:
    assert vendi(np.empty((0, 4))) == 0.0
    assert vendi(np.ones((9, 4))) == pytest.approx(1.0)
    assert vendi(np.eye(7)) == pytest.approx(7.0)
    assert vendi(np.repeat(np.eye(3), 5, axis=0)) == pytest.approx(3.0)


def test_no_group_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="was 0"):
        clusters(np.eye(3), 0)
    assert len(clusters(np.empty((0, 3)), 4).of) == 0
