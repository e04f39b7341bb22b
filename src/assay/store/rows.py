"""Parquet tables of scorer outcomes, filter decisions and evaluation results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.core.errors import ContractError
from assay.core.score import Fingerprint, Label, Outcome, Score, Unscored
from assay.store.tables import damaged_file_error, read_columns, read_metadata, write_table

OUTCOMES, DECISIONS, RESULTS = "outcomes", "decisions", "results"

_OUTCOME_TYPES = {
    "kind": pa.string(),
    "value": pa.float64(),
    "label": pa.string(),
    "answer": pa.string(),
    "reason": pa.string(),
    "evidence": pa.string(),
    "vector": pa.list_(pa.float32()),
    "cause": pa.string(),
}


@dataclass(frozen=True)
class DecisionRow:
    """Decision of a filter on one sample."""

    id: str
    keep: bool
    filter: str
    """The filter's name in the recipe."""
    rule: str
    reason: str


@dataclass(frozen=True)
class ResultRow:
    """Outcome of an evaluator for one held-out sample and the model of one arm and seed."""

    arm: str
    seed: int
    id: str
    outcome: Outcome


def write_outcomes(path: Path, ids: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    """Write one row per sample: id, kind, value, label, answer, reason, evidence (JSON), vector, cause.

    Vectors are rounded to 32-bit floats; everything else round-trips exactly.

    Raises:
        ContractError: Different numbers of ids and outcomes, or a vector does not fit 32-bit floats.
        StoreError: The disk is full, or the path cannot be written.
    """
    if len(ids) != len(outcomes):
        raise ContractError(f"{path}: {len(ids)} ids and {len(outcomes)} outcomes; expected the same number.")
    write_table(path, pa.table({"id": pa.array(ids, pa.string()), **_outcome_arrays(outcomes)}), OUTCOMES)


def read_outcomes(path: Path) -> list[tuple[str, Outcome]]:
    """Read ids and outcomes in the order they were written.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    table = _read_table(path, OUTCOMES, ["id", *_OUTCOME_TYPES])
    return list(zip(table.column("id").to_pylist(), _outcomes(path, table), strict=True))


def write_decisions(path: Path, rows: Sequence[DecisionRow]) -> None:
    """Write rows in order.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    arrays = {name: pa.array([getattr(row, name) for row in rows], type_) for name, type_ in _DECISION_TYPES.items()}
    write_table(path, pa.table(arrays), DECISIONS)


def read_decisions(path: Path) -> list[DecisionRow]:
    """Read rows in the order they were written.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    return [DecisionRow(**row) for row in _read_table(path, DECISIONS, list(_DECISION_TYPES)).to_pylist()]


def write_results(path: Path, rows: Sequence[ResultRow]) -> None:
    """Write rows in order: arm, seed, id and the columns of an outcome, vectors as 32-bit floats.

    Raises:
        ContractError: A vector does not fit 32-bit floats.
        StoreError: The disk is full, or the path cannot be written.
    """
    arrays = {
        "arm": pa.array([row.arm for row in rows], pa.string()),
        "seed": pa.array([row.seed for row in rows], pa.int64()),
        "id": pa.array([row.id for row in rows], pa.string()),
    }
    write_table(path, pa.table(arrays | _outcome_arrays([row.outcome for row in rows])), RESULTS)


def read_results(path: Path) -> list[ResultRow]:
    """Read rows in the order they were written.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    table = _read_table(path, RESULTS, ["arm", "seed", "id", *_OUTCOME_TYPES])
    names = [table.column(name).to_pylist() for name in ("arm", "seed", "id")]
    return [ResultRow(*row) for row in zip(*names, _outcomes(path, table), strict=True)]


_DECISION_TYPES = {
    "id": pa.string(),
    "keep": pa.bool_(),
    "filter": pa.string(),
    "rule": pa.string(),
    "reason": pa.string(),
}


def _read_table(path: Path, kind: str, columns: Sequence[str]) -> pa.Table:
    read_metadata(path, kind)
    return read_columns(path, columns)


def _outcome_arrays(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    records = [_record(outcome) for outcome in outcomes]
    return {name: pa.array([record.get(name) for record in records], type_) for name, type_ in _OUTCOME_TYPES.items()}


def _record(outcome: Outcome) -> dict[str, object]:
    """Columns that this kind of outcome has; the others are null."""
    match outcome:
        case Score(value, reason, evidence, answer):
            common = {"reason": reason, "evidence": _evidence(evidence), "answer": answer}
            return {"kind": "score", "value": float(value), **common}
        case Label(value, reason, evidence, answer):
            common = {"reason": reason, "evidence": _evidence(evidence), "answer": answer}
            return {"kind": "label", "label": value, **common}
        case Fingerprint(vector):
            return {"kind": "fingerprint", "vector": _single(vector)}
        case Unscored(cause, reason):
            return {"kind": "unscored", "cause": cause, "reason": reason}


def _evidence(evidence: Mapping[str, float]) -> str:
    return json.dumps({name: float(value) for name, value in evidence.items()}, sort_keys=True, ensure_ascii=False)


def _single(vector: Sequence[float]) -> Any:
    largest = max(abs(x) for x in vector)
    if largest > float(np.finfo(np.float32).max) or not math.isfinite(largest):
        raise ContractError(f"Fingerprint values must fit 32-bit floats, had {largest}.")
    return np.asarray(vector, dtype=np.float32)


def _outcomes(path: Path, table: pa.Table) -> list[Outcome]:
    # Vectors are converted with numpy: Python objects for every number would take seconds.
    vectors = table.column("vector")
    rows = table.drop_columns(["vector"]).to_pylist()
    try:
        return [_outcome(row, vectors[i]) for i, row in enumerate(rows)]
    except (TypeError, ValueError) as error:
        raise damaged_file_error(path, error) from error


def _outcome(row: Mapping[str, Any], vector: Any) -> Outcome:
    match row["kind"]:
        case "score":
            return Score(row["value"], row["reason"], json.loads(row["evidence"]), row["answer"])
        case "label":
            return Label(row["label"], row["reason"], json.loads(row["evidence"]), row["answer"])
        case "fingerprint":
            return Fingerprint(tuple(vector.values.to_numpy().tolist()))
        case "unscored":
            return Unscored(row["cause"], row["reason"])
        case kind:
            raise ValueError(f"unknown kind of outcome {kind!r}")
