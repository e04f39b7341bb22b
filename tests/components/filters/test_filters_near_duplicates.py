from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters import near_duplicates
from assay.components.filters.near_duplicates import NearDuplicates
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.core.score import Fingerprint, Outcome, Score, Unscored
from error_fields import raises

VECTORS = st.lists(st.tuples(*[st.integers(-2, 2).map(float)] * 3), max_size=20)


def cosine(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    lengths = math.hypot(*first) * math.hypot(*second)
    return sum(a * b for a, b in zip(first, second, strict=True)) / lengths if lengths else 0.0


def naive(order: list[int], vectors: list[tuple[float, ...]], similarity: float) -> set[int]:
    """Compare every vector with every kept vector, in Python."""
    kept_rows: list[int] = []
    for row in order:
        if all(cosine(vectors[row], vectors[other]) < similarity - 1e-6 for other in kept_rows):
            kept_rows.append(row)
    return set(kept_rows)


@given(VECTORS, st.sampled_from([0.3, 0.5, 0.9, 0.98, 1.0]), st.integers(1, 7), st.booleans(), st.randoms())
def test_equals_naive_implementation(
    vectors: list[tuple[float, ...]], similarity: float, block: int, prefer: bool, random: object
) -> None:
    ids = [f"{nth:02d}" for nth in range(len(vectors))]
    random.shuffle(ids)  # type: ignore[attr-defined]
    scores: list[Outcome] = [Score(float(nth % 3)) for nth in range(len(vectors))]
    table = ScoreTable(ids, {"v": [Fingerprint(vector) for vector in vectors], "s": scores})
    order = sorted(range(len(vectors)), key=lambda i: (-(i % 3), ids[i]) if prefer else (0, ids[i]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BLOCK", block)
        decisions = NearDuplicates("v", similarity, prefer="s" if prefer else None).decide(table)
    kept_rows = naive(order, vectors, similarity)
    assert {row for row, decision in enumerate(decisions) if decision.keep} == kept_rows
    for row, decision in enumerate(decisions):
        if not decision.keep:  # the reason names a kept row and its cosine
            match = re.search(r" (\d+)\b.* (-?[\d.]+)$", decision.reason)
            assert match
            twin = ids.index(match[1])
            assert twin in kept_rows
            assert cosine(vectors[row], vectors[twin]) == pytest.approx(float(match[2]), abs=1e-4)


def test_best_of_near_duplicates_is_kept() -> None:
    columns: dict[str, list[Outcome]] = {"v": [Fingerprint((1.0, 0.0))] * 3, "s": [Score(0.1), Score(0.9), Score(0.5)]}
    table = ScoreTable(["a", "b", "c"], columns)
    assert [d.keep for d in NearDuplicates("v").decide(table)] == [True, False, False]
    assert [d.keep for d in NearDuplicates("v", prefer="s").decide(table)] == [False, True, False]
    assert [d.keep for d in NearDuplicates("v", prefer="s", best="lowest").decide(table)] == [True, False, False]


def test_only_samples_of_one_label_are_compared() -> None:
    table = ScoreTable(["a", "b"], {"v": [Fingerprint((1.0, 0.0))] * 2}, {"label": ["bag", "boot"]})
    assert [d.keep for d in NearDuplicates("v").decide(table)] == [True, False]
    assert [d.keep for d in NearDuplicates("v", per="label").decide(table)] == [True, True]


def test_unscored_samples_are_not_duplicates() -> None:
    outcomes: list[Outcome] = [Unscored("failed", "x"), Fingerprint((1.0,)), Unscored("failed", "x")]
    table = ScoreTable(["a", "b", "c"], {"v": outcomes})
    assert [d.keep for d in NearDuplicates("v").decide(table)] == [False, True, False]
    assert [d.keep for d in NearDuplicates("v", unscored="keep").decide(table)] == [True, True, True]


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"NearDuplicates.similarity .*98"):
        NearDuplicates("v", 98)
    mixed = ScoreTable(["a", "b"], {"v": [Fingerprint((1.0,)), Fingerprint((1.0, 2.0))]})
    with raises(FieldError, name="v", lengths=(1, 2)):
        NearDuplicates("v").decide(mixed)
    with raises(FieldError, owner="NearDuplicates", name="s", needed=Fingerprint, actual=Score):
        NearDuplicates("s").decide(ScoreTable(["a"], {"s": [Score(1.0)]}))


def test_empty() -> None:
    assert NearDuplicates("v").decide(ScoreTable([], {"v": []})) == []


def test_copies_in_many_dimensions() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 128)).repeat(2, axis=0)
    table = ScoreTable([f"{i:03d}" for i in range(80)], {"v": [Fingerprint(tuple(row)) for row in vectors.tolist()]})
    assert sum(decision.keep for decision in NearDuplicates("v", 1.0).decide(table)) == 40
