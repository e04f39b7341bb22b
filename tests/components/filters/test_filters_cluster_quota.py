from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from assay.components.filters.cluster_quota import ClusterQuota
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.core.score import Fingerprint, Outcome, Score, Unscored
from error_fields import raises


def clustered_table(*sizes: int) -> ScoreTable:
    """One cluster of the given size around each axis, with shuffled ids and increasing scores."""
    rng = np.random.default_rng(0)
    total = sum(sizes)
    vectors: list[Outcome] = []
    for axis, size in enumerate(sizes):
        for _ in range(size):
            row = rng.normal(0, 0.02, len(sizes))
            row[axis] += 1
            vectors.append(Fingerprint(tuple(row.tolist())))
    ids = [f"{nth:04d}" for nth in rng.permutation(total)]
    return ScoreTable(ids, {"v": vectors, "s": [Score(float(nth)) for nth in range(total)]})


def test_maximum_per_cluster() -> None:
    table = clustered_table(50, 20, 3)
    decisions = ClusterQuota("v", clusters=3, max_per_cluster=5).decide(table)
    kept_rows = [row for row, decision in enumerate(decisions) if decision.keep]
    assert Counter("first" if row < 50 else "second" if row < 70 else "third" for row in kept_rows) == {
        "first": 5, "second": 5, "third": 3,
    }  # fmt: skip
    lowest = sorted(range(50), key=lambda row: table.ids[row])[:5]
    assert [row for row in kept_rows if row < 50] == sorted(lowest)
    assert re.findall(r"\d+", decisions[lowest[0]].rule) == ["5", "3"]
    assert re.findall(r"\d+", decisions[lowest[0]].reason)[:2] == ["1", "50"]


def test_best_of_each_cluster_are_kept() -> None:
    highest = ClusterQuota("v", 2, 2, prefer="s").decide(clustered_table(10, 10))
    assert [row for row, decision in enumerate(highest) if decision.keep] == [8, 9, 18, 19]
    lowest = ClusterQuota("v", 2, 2, prefer="s", best="lowest").decide(clustered_table(10, 10))
    assert [row for row, decision in enumerate(lowest) if decision.keep] == [0, 1, 10, 11]


def test_fewer_different_fingerprints_than_clusters() -> None:
    table = ScoreTable(
        ["a", "b", "c"], {"v": [Fingerprint((1.0, 0.0)), Fingerprint((2.0, 0.0)), Fingerprint((0.0, 1.0))]}
    )
    decisions = ClusterQuota("v", clusters=9, max_per_cluster=1).decide(table)
    assert [decision.keep for decision in decisions] == [True, False, True]
    assert re.findall(r"\d+", decisions[0].rule) == ["1", "2"]
    assert ClusterQuota("v").decide(ScoreTable([], {"v": []})) == []


def test_unscored_option() -> None:
    outcome = Unscored("not_applicable", "empty")
    table = ScoreTable(["a"], {"v": [outcome]})
    for choice, keep in (("drop", False), ("keep", True)):
        (decision,) = ClusterQuota("v", unscored=choice).decide(table)  # type: ignore[arg-type]
        assert decision.keep is keep
        assert decision.reason == f"{outcome.cause}: {outcome.reason}"


def test_invalid_arguments_are_rejected() -> None:
    for more, pattern in (
        ({"clusters": 0}, r"ClusterQuota\.clusters .*\b0\b"),
        ({"max_per_cluster": 0}, r"ClusterQuota\.max_per_cluster .*\b0\b"),
        ({"seed": -1}, r"ClusterQuota\.seed .*-1\b"),
        ({"best": "first"}, r"ClusterQuota\.best .*\bhighest, lowest\b.*'first'"),
        ({"unscored": "maybe"}, r"ClusterQuota\.unscored .*\bdrop, keep\b.*'maybe'"),
    ):
        with pytest.raises(ValueError, match=pattern):
            ClusterQuota("v", **more)  # type: ignore[arg-type]
    table = ScoreTable(["a"], {"s": [Score(1.0)]})
    with raises(FieldError, owner="ClusterQuota", name="s", needed=Fingerprint, actual=Score):
        ClusterQuota("s").decide(table)
    with raises(FieldError, name="v"):
        ClusterQuota("v").decide(table)
    two = ScoreTable(["a", "b"], {"v": [Fingerprint((1.0,)), Fingerprint((1.0, 0.0))]})
    with raises(FieldError, name="v", lengths=(1, 2)):
        ClusterQuota("v").decide(two)
