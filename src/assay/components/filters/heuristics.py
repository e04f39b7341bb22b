"""Heuristic quality filter for instruction tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.core.errors import did_you_mean
from assay.core.roles import Decision, ScoreTable
from assay.text.instructions.self_instruct import (
    CONTRADICTED,
    DUPLICATE,
    RULE_DESCRIPTIONS,
    broken_instance_rules,
    broken_instruction_rules,
)

KEPT = "heuristics of Self-Instruct"


@dataclass(frozen=True)
class Heuristics:
    """Drop a task that breaks one of Self-Instruct's rules (Wang et al. 2022, sections 2.2 and 2.3).

    The rules of `text.instructions.self_instruct` depend only on the fields, whatever the origin of the task. The rule
    of the decision is the name of the first rule that is broken. If the samples have a field `rejected`, the rule named
    there comes first. Tasks with equal instruction and input and different outputs contradict each other and are all
    dropped, as in the published code (prepare_for_finetuning.py); of equal tasks the one with the lowest id is kept.
    """

    instruction: str = "instruction"
    """Field of the instruction."""
    input: str = "input"
    """Field of the input; "" if the data has none."""
    output: str = "output"
    """Field of the output; "" to check instructions only."""
    skip: tuple[str, ...] = ()
    """Names of rules to skip."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.instruction:
            raise ValueError("Heuristics.instruction must name a field, was empty.")
        if self.input and not self.output:
            raise ValueError("Heuristics.output must name a field if input does, was empty.")
        for name in self.skip:
            if name not in RULE_DESCRIPTIONS:
                raise ValueError(
                    f"Heuristics.skip must name rules, was {name!r}. {did_you_mean(name, RULE_DESCRIPTIONS)}"
                )

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        names = (self.instruction, self.input, self.output)
        columns = [table.field_values(name) if name else [""] * len(table) for name in names]
        tasks = list(zip(*([text.strip() for text in column] for column in columns), strict=True))
        rejected = table.fields.get("rejected", [""] * len(table))
        rules = [self._rule(rule, task) for rule, task in zip(rejected, tasks, strict=True)]
        if self.output:
            rules = self._compare(table.ids, tasks, rules)
        return [_decision(rule) for rule in rules]

    def _rule(self, rejected: str, task: tuple[str, ...]) -> str:
        broken = [rejected] if rejected else []
        broken += broken_instruction_rules(task[0])
        if self.output:
            broken += broken_instance_rules(*task)
        return next((rule for rule in broken if rule not in self.skip), "")

    def _compare(self, ids: Sequence[str], tasks: Sequence[tuple[str, ...]], rules: Sequence[str]) -> list[str]:
        result = list(rules)
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, (instruction, input_text, _) in enumerate(tasks):
            if not rules[row]:
                groups[instruction, input_text].append(row)
        for (_, input_text), rows in groups.items():
            first: dict[str, int] = {}
            for row in sorted(rows, key=lambda row: ids[row]):
                first.setdefault(tasks[row][2], row)
            # Without an input several answers may be correct: two poems do not contradict each other.
            contradicted = bool(input_text) and len(first) > 1 and CONTRADICTED not in self.skip
            first_rows = set(first.values())
            for row in rows:
                if contradicted:
                    result[row] = CONTRADICTED
                elif row not in first_rows and DUPLICATE not in self.skip:
                    result[row] = DUPLICATE
        return result


def _decision(rule: str) -> Decision:
    if not rule:
        return Decision(True, KEPT, "it breaks none")
    return Decision(False, rule, RULE_DESCRIPTIONS.get(rule, "The generator that made it says so."))
