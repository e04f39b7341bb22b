from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_parts import TEXT

from assay.core.errors import ContractError, StoreError
from assay.core.score import Fingerprint, Label, Outcome, Score, Unscored
from assay.store.rows import (
    DecisionRow,
    ResultRow,
    read_decisions,
    read_outcomes,
    read_results,
    write_decisions,
    write_outcomes,
    write_results,
)
from assay.store.tables import is_readable

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SINGLE = st.floats(allow_nan=False, allow_infinity=False, width=32)
EVIDENCE = st.dictionaries(TEXT, FINITE, max_size=3)
OUTCOME = st.one_of(
    st.builds(Score, value=FINITE, reason=TEXT, evidence=EVIDENCE, answer=TEXT),
    st.builds(Label, value=TEXT, reason=TEXT, evidence=EVIDENCE, answer=TEXT),
    st.builds(Fingerprint, vector=st.lists(SINGLE, min_size=1, max_size=4).map(tuple)),
    st.builds(Unscored, cause=st.sampled_from(["not_applicable", "unparsed", "failed"]), reason=TEXT),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows") / "rows.parquet"


@given(rows=st.lists(st.tuples(TEXT, OUTCOME), max_size=6))
def test_outcomes_round_trip(path: Path, rows: list[tuple[str, Outcome]]) -> None:
    ids, outcomes = [row[0] for row in rows], [row[1] for row in rows]
    write_outcomes(path, ids, outcomes)
    assert read_outcomes(path) == rows
    first = path.read_bytes()
    write_outcomes(path, ids, outcomes)
    assert path.read_bytes() == first
    assert is_readable(path)


@given(rows=st.lists(st.builds(ResultRow, arm=TEXT, seed=st.integers(0, 2**63 - 1), id=TEXT, outcome=OUTCOME)))
def test_results_round_trip(path: Path, rows: list[ResultRow]) -> None:
    write_results(path, rows)
    assert read_results(path) == rows


@given(rows=st.lists(st.builds(DecisionRow, id=TEXT, keep=st.booleans(), filter=TEXT, rule=TEXT, reason=TEXT)))
def test_decisions_round_trip(path: Path, rows: list[DecisionRow]) -> None:
    write_decisions(path, rows)
    assert read_decisions(path) == rows


def test_vectors_come_back_rounded_to_32_bits(path: Path) -> None:
    write_outcomes(path, ["a"], [Fingerprint((0.1, 1 / 3))])
    ((_, outcome),) = read_outcomes(path)
    assert isinstance(outcome, Fingerprint)
    assert outcome.vector == (float(np.float32(0.1)), float(np.float32(1 / 3)))


def test_a_vector_that_would_become_infinite_is_refused(path: Path) -> None:
    with pytest.raises(ContractError, match=r"1e\+39"):
        write_outcomes(path, ["a"], [Fingerprint((1e39,))])


def test_different_numbers_of_ids_and_outcomes_are_rejected(path: Path) -> None:
    with pytest.raises(ContractError, match="2 ids and 1 outcomes"):
        write_outcomes(path, ["a", "b"], [Score(1.0)])


def test_columns_that_do_not_apply_are_null(path: Path) -> None:
    write_outcomes(path, ["a", "b"], [Score(0.5, evidence={"z": 1, "a": 2.0}), Unscored("failed", "timeout")])
    rows = pq.read_table(path).to_pylist()
    assert rows[0] == {
        "id": "a", "kind": "score", "value": 0.5, "label": None, "answer": "", "reason": "",
        "evidence": '{"a": 2.0, "z": 1.0}', "vector": None, "cause": None,
    }  # fmt: skip
    assert rows[1]["value"] is None
    assert rows[1]["cause"] == "failed"


def test_a_table_of_another_kind_is_refused(path: Path) -> None:
    write_decisions(path, [DecisionRow("a", True, "f", "r", "")])
    with pytest.raises(StoreError, match=r"decisions.*outcomes"):
        read_outcomes(path)
