"""Deduplication by embedding similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from assay.components.filters.columns import (
    Best,
    Unscoreds,
    check_choice,
    column_of,
    groups,
    rank_rows,
    unit_vectors,
    unscored,
)
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Fingerprint, Unscored

BLOCK = 1024
"""Rows per block: 1024 x 10,000 cosines take 40 MB."""
SLACK = 1e-6
"""The product of a float32 unit vector with itself may be less than 1 by this much."""


@dataclass(frozen=True)
class NearDuplicates:
    """Drop a sample whose embedding has a cosine of `similarity` or more with one that is kept.

    Exact and greedy: samples are sorted best first by the score column `prefer`, or by id, and each is kept unless one
    kept before it is too similar. The reason of a dropped sample names the one that was kept.
    """

    column: str
    similarity: float = 0.98
    per: str | None = None
    """Text field: compare only samples with the same value; all samples if None."""
    prefer: str | None = None
    best: Best = "highest"
    """Which scores of `prefer` come first."""
    unscored: Unscoreds = "drop"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("NearDuplicates", "unscored", self.unscored, ("drop", "keep"))
        check_choice("NearDuplicates", "best", self.best, ("highest", "lowest"))
        if not 0 < self.similarity <= 1:
            raise ValueError(f"NearDuplicates.similarity must be above 0 and at most 1, was {self.similarity}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        outcomes = column_of(table, self.column, Fingerprint, "NearDuplicates")
        decisions: dict[int, Decision] = {}
        for rows in groups(table, self.per).values():
            ranked = rank_rows(table, rows, self.prefer, self.best, "NearDuplicates")
            order = [row for row in ranked if isinstance(outcomes[row], Fingerprint)]
            vectors = unit_vectors([outcomes[row] for row in order], self.column)
            for row, (twin, cosine) in zip(order, twins(vectors, self.similarity), strict=True):
                decisions[row] = self._decision(None if twin is None else table.ids[order[twin]], cosine)
        return [
            unscored(outcome, self.column, self.unscored) if isinstance(outcome, Unscored) else decisions[row]
            for row, outcome in enumerate(outcomes)
        ]

    def _decision(self, twin: str | None, cosine: float) -> Decision:
        rule = f"no kept twin with {self.column} cosine >= {self.similarity:g}"
        if twin is None:
            return Decision(True, rule, "no twin was kept before it")
        return Decision(False, rule, f"twin of {twin}: cosine {cosine:.4f}")


def twins(vectors: npt.NDArray[np.float32], similarity: float) -> list[tuple[int | None, float]]:
    """Return for each row the most similar row kept before it and their cosine, or None if the row is kept."""
    kept_rows: list[int] = []
    nearest_kept: list[tuple[int | None, float]] = []
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        before = np.asarray(kept_rows, dtype=np.intp)
        cosines = np.hstack([block @ vectors[before].T, block @ block.T])  # (block, kept before + block)
        open_columns = np.ones(cosines.shape[1], dtype=bool)
        open_columns[len(before) :] = False
        for nth, row in enumerate(cosines):
            nearest = int(np.where(open_columns, row, -2.0).argmax()) if open_columns.any() else -1
            if nearest >= 0 and row[nearest] >= similarity - SLACK:
                twin = int(before[nearest]) if nearest < len(before) else start + nearest - len(before)
                nearest_kept.append((twin, float(row[nearest])))
                continue
            nearest_kept.append((None, 0.0))
            open_columns[len(before) + nth] = True
            kept_rows.append(start + nth)
    return nearest_kept
