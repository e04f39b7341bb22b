"""Filters in order over the score table, each seeing what the ones before it kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.core.errors import ContractError
from assay.core.roles import Filter, ScoreTable
from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.pipeline.recipe.catalog import name_of
from assay.store.rows import DecisionRow


def table_of(samples: Sequence[Sample], columns: Mapping[str, Sequence[Outcome]]) -> ScoreTable:
    """What filters see: outcomes, and the text fields that every sample has."""
    names = {name for name, value in samples[0].fields.items() if isinstance(value, str)} if samples else set()
    shared = [name for name in sorted(names) if all(isinstance(sample.fields.get(name), str) for sample in samples)]
    fields = {name: [sample.text(name) for sample in samples] for name in shared}
    return ScoreTable([sample.id for sample in samples], columns, fields)


def decide(filters: Sequence[Filter], table: ScoreTable) -> list[DecisionRow]:
    """One row for each sample: the decision of the filter that dropped it, or of the last one, which kept it.

    Raises:
        ContractError: A filter did not decide on every sample it was shown.
    """
    last = {id_: DecisionRow(id_, True, "", "no filter", "nothing was asked of it") for id_ in table.ids}
    left = list(range(len(table)))
    for nth, rule in enumerate(filters):
        name = f"{nth + 1}. {name_of(rule)}"
        decisions = rule.decide(_part(table, left))
        if len(decisions) != len(left):
            raise ContractError(f"{name} gave {len(decisions)} decisions on {len(left)} samples.")
        for row, decision in zip(left, decisions, strict=True):
            id_ = table.ids[row]
            last[id_] = DecisionRow(id_, decision.keep, name, decision.rule, decision.reason)
        left = [row for row in left if last[table.ids[row]].keep]
    return [last[id_] for id_ in table.ids]


def _part(table: ScoreTable, rows: Sequence[int]) -> ScoreTable:
    return ScoreTable(
        [table.ids[row] for row in rows],
        {name: [outcomes[row] for row in rows] for name, outcomes in table.columns.items()},
        {name: [values[row] for row in rows] for name, values in table.fields.items()},
    )
