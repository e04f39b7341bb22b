"""Filtering: filters run in order over the score table, each on the rows that the filters before it kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.errors import ContractError
from assay.core.roles import Filter, ScoreTable
from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.pipeline.recipe.catalog import component_name
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.context import RunContext
from assay.pipeline.stages.stage import GENERATE, Stage, score_id
from assay.store.rows import DecisionRow, write_decisions


@dataclass(frozen=True)
class KeepStage(Stage):
    """Applies the filters to the score table."""

    filters: tuple[Filter, ...]
    columns: tuple[str, ...]

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return {"filters": [describe(rule) | {"version": version_of(rule)} for rule in self.filters]}

    @property
    def version(self) -> int:
        return 1

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        samples = context.samples(GENERATE)
        context.reporter.begin(self.name, len(samples), 0)
        ids = [sample.id for sample in samples]
        columns = {column: _column(context, column, ids) for column in self.columns}
        rows = decide(self.filters, table_of(samples, columns))
        write_decisions(folder / "decisions.parquet", rows)
        kept = sum(row.keep for row in rows)
        return {"rows": len(rows), "kept": kept, "dropped": len(rows) - kept}


def _column(context: RunContext, column: str, ids: Sequence[str]) -> list[Outcome]:
    rows = context.outcomes(score_id(column))
    if [id_ for id_, _ in rows] != list(ids):
        raise ContractError(f"The outcomes of {column!r} do not belong to the generated samples.")
    return [outcome for _, outcome in rows]


def table_of(samples: Sequence[Sample], columns: Mapping[str, Sequence[Outcome]]) -> ScoreTable:
    """The score table that filters read: outcomes, and the text fields that every sample has."""
    names = {name for name, value in samples[0].fields.items() if isinstance(value, str)} if samples else set()
    shared = [name for name in sorted(names) if all(isinstance(sample.fields.get(name), str) for sample in samples)]
    fields = {name: [sample.text(name) for sample in samples] for name in shared}
    return ScoreTable([sample.id for sample in samples], columns, fields)


def decide(filters: Sequence[Filter], table: ScoreTable) -> list[DecisionRow]:
    """One decision per sample: that of the filter that dropped it, or of the last filter if it was kept.

    Raises:
        ContractError: The number of decisions of a filter is not its number of rows.
    """
    decisions_by_id = {id_: DecisionRow(id_, True, "", "no filter", "nothing was asked of it") for id_ in table.ids}
    rows = list(range(len(table)))
    for nth, rule in enumerate(filters):
        name = f"{nth + 1}. {component_name(rule)}"
        decisions = rule.decide(_select_rows(table, rows))
        if len(decisions) != len(rows):
            raise ContractError(f"{name} returned {len(decisions)} decisions for {len(rows)} samples.")
        for row, decision in zip(rows, decisions, strict=True):
            id_ = table.ids[row]
            decisions_by_id[id_] = DecisionRow(id_, decision.keep, name, decision.rule, decision.reason)
        rows = [row for row in rows if decisions_by_id[table.ids[row]].keep]
    return [decisions_by_id[id_] for id_ in table.ids]


def _select_rows(table: ScoreTable, rows: Sequence[int]) -> ScoreTable:
    return ScoreTable(
        [table.ids[row] for row in rows],
        {name: [outcomes[row] for row in rows] for name, outcomes in table.columns.items()},
        {name: [values[row] for row in rows] for name, values in table.fields.items()},
    )
