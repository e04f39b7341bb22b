"""Access to columns of a score table, groups and validation, shared by the filters."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.core.errors import FieldError
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Fingerprint, Outcome, Score, Unscored

Unscoreds = Literal["drop", "keep"]
Best = Literal["highest", "lowest"]


def column_of(table: ScoreTable, name: str, kind: type[Outcome], owner: str) -> Sequence[Outcome]:
    """Return the column `name`, in which every outcome must be of `kind` or unscored.

    Raises:
        FieldError: There is no such column, or it has outcomes of another kind.
    """
    outcomes = table.column(name)
    for outcome in outcomes:
        if not isinstance(outcome, (kind, Unscored)):
            raise FieldError(
                f"{owner} needs a column of {kind.__name__}, but {name!r} has {type(outcome).__name__}.",
                hint="Threshold and TopFraction read Score, LabelIs reads Label, "
                "NearDuplicates and ClusterQuota read Fingerprint.",
                owner=owner,
                name=name,
                needed=kind,
                actual=type(outcome),
            )
    return outcomes


def unscored(outcome: Unscored, column: str, then: Unscoreds) -> Decision:
    """Return the decision on a sample without an outcome: to keep or to drop it, as `then` says."""
    return Decision(then == "keep", f"{column} is unscored: {then}", f"{outcome.cause}: {outcome.reason}")


def unit_vectors(outcomes: Sequence[Outcome], column: str) -> npt.NDArray[np.float32]:
    """Return the embeddings among some outcomes as an array (n, d) of unit vectors; (0, 0) if there are none.

    Raises:
        FieldError: They have different dimensions.
    """
    raw = [outcome.vector for outcome in outcomes if isinstance(outcome, Fingerprint)]
    if len({len(vector) for vector in raw}) > 1:
        raise FieldError(
            f"The fingerprints of {column!r} have different lengths: two models made them.",
            name=column,
            lengths=tuple(sorted({len(vector) for vector in raw})),
        )
    if not raw:
        return np.empty((0, 0), dtype=np.float32)
    vectors = np.asarray(raw, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: npt.NDArray[np.float32] = (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    return units


def rank_rows(table: ScoreTable, rows: Sequence[int], prefer: str | None, best: Best, owner: str) -> list[int]:
    """Sort rows best first by the scores of `prefer`, unscored ones last; by id if `prefer` is None.

    Raises:
        FieldError: There is no such column, or it has outcomes other than scores.
    """
    if prefer is None:
        return sorted(rows, key=lambda row: table.ids[row])
    scores = column_of(table, prefer, Score, f"{owner}.prefer")
    return sorted(rows, key=lambda row: rank_key(scores[row], best, table.ids[row]))


def groups(table: ScoreTable, per: str | None) -> dict[str, list[int]]:
    """Return rows by their text field `per`, in the order of the table; all rows under "" if `per` is None."""
    names = table.field_values(per) if per is not None else [""] * len(table)
    rows_by_name: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_by_name.setdefault(name, []).append(row)
    return rows_by_name


def group_suffix(name: str) -> str:
    """Return " of LABEL" for a reason, or "" if all rows are one group."""
    return f" of {name!r}" if name else ""


def rank_key(outcome: Outcome, best: Best, identity: str) -> tuple[bool, float, str]:
    """Sort key: best first, then by id; unscored ones last."""
    if not isinstance(outcome, Score):
        return True, 0.0, identity
    return False, -outcome.value if best == "highest" else outcome.value, identity


def draw(identity: str, seed: int) -> str:
    """Sort key for random sampling that depends only on the sample and the seed, not on the order of rows."""
    return hashlib.sha256(f"{seed}/{identity}".encode()).hexdigest()


def quota(fraction: float, count: int) -> int:
    """`fraction` of `count`, rounded up in decimal arithmetic: 0.07 of 100 is 7, where floats give 8."""
    return math.ceil(Fraction(repr(float(fraction))) * count)


def check_choice(owner: str, name: str, value: str, allowed: Sequence[str]) -> None:
    """Validate that a field has one of a few values.

    Raises:
        ValueError: It has another value.
    """
    if value not in allowed:
        raise ValueError(f"{owner}.{name} must be one of {', '.join(allowed)}, was {value!r}.")


def check_different(owner: str, name: str, value: Sequence[str]) -> None:
    """Validate that names are given, non-empty and unique.

    Raises:
        ValueError: They are not.
    """
    if not value or isinstance(value, str) or not all(value) or len(set(value)) < len(value):
        raise ValueError(f"{owner}.{name} must be one or more different names, was {value!r}.")
