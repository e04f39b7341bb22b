"""Results of an evaluation: cells with intervals, macro averages over subjects and tasks, paired comparisons."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.core.score import Score, Unscored
from assay.evaluation.metrics import ACCURACY, EvalMetric
from assay.evaluation.plan import EvalCell, choices_of
from assay.evaluation.run import EvaluatedCell
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.compare import FamilyComparison, Verdict, compare
from assay.stats.inference.intervals import wilson
from assay.text.prompting.multiple_choice import item_of

UNPARSED_RULE = "an unparsed answer counts as incorrect; a question without an answer is excluded and reported"
EMPTY_RULE = "an empty answer counts as 0; a question without an answer is excluded and reported"
Number = TypeVar("Number", int, float)
NumberKind = Literal["proportion", "mean"]
"""Whether a cell holds an accuracy or the mean of another metric."""


@dataclass(frozen=True)
class MacroAverage:
    """Unweighted mean over groups, with their range and standard deviation."""

    mean: float
    low: float
    """Value of the lowest group."""
    high: float
    sd: float | None
    """Sample standard deviation; None for a single group."""
    groups: int


@dataclass(frozen=True)
class CellResult:
    """Result of one cell."""

    cell: EvalCell
    n: int
    """Number of questions."""
    scored: int
    """Number of questions with a parsed answer."""
    unparsed: int
    failed: int
    accuracy: Effect | None
    """Mean over scored and unparsed answers, the latter counting 0; None if there are no answers."""
    chance: float | None
    """Chance level; None without choices."""
    subjects: MacroAverage | None
    """Macro average over subjects; None for a single subject."""
    prompt: str
    """Digest of all prompts."""
    seconds: float
    tokens: int | None
    dollars: float | None
    kind: NumberKind
    failure: str
    """Reason of the first failure; empty if there is none."""
    signature: str
    """sacrebleu signature; empty for other metrics."""


@dataclass(frozen=True)
class CellComparison:
    """Paired comparison of two cells that differ in one factor."""

    what: str
    """The factor: model, prompt or decoding."""
    ours: EvalCell
    theirs: EvalCell
    compared: FamilyComparison
    n: int
    kind: NumberKind

    @property
    def verdict(self) -> Verdict:
        """Verdict for our side, with the direction of the metric."""
        verdict = self.compared.verdict
        reversed_: dict[Verdict, Verdict] = {"helped": "hurt", "hurt": "helped"}
        return reversed_.get(verdict, verdict) if self.ours.metric.better == "lower" else verdict


def result(evaluated: EvaluatedCell) -> CellResult:
    """Compute the result of one cell."""
    values = _values(evaluated)
    valid = values[~np.isnan(values)]
    unparsed = sum(isinstance(outcome, Unscored) and outcome.cause == "unparsed" for outcome in evaluated.outcomes)
    rows = evaluated.rows
    prompts = hashlib.sha256("\n".join(row.prompt for row in rows).encode()).hexdigest()[:8]
    return CellResult(
        cell=evaluated.cell,
        n=len(rows),
        scored=len(valid) - unparsed,
        unparsed=unparsed,
        failed=len(rows) - len(valid),
        accuracy=_mean(valid, evaluated.cell.metric) if len(valid) else None,
        chance=_chance(evaluated),
        subjects=_subjects(evaluated, values),
        prompt=prompts,
        seconds=sum(row.seconds for row in rows),
        tokens=sum_or_none([row.tokens for row in rows]),
        dollars=sum_or_none([row.dollars for row in rows]),
        kind=_kind(values, evaluated.cell.metric),
        failure=_failure(evaluated),
        signature=_signature(evaluated),
    )


def comparisons(evaluated: Sequence[EvaluatedCell]) -> list[CellComparison]:
    """Compare each cell with the first that differs in one factor only; p-values adjusted by Holm."""
    pairs = [
        (what, ours, theirs) for what in ("model", "prompt", "decoding") for ours, theirs in _pairs(evaluated, what)
    ]
    value_pairs, comparable = [], []
    for what, ours, theirs in pairs:
        a, b = _values(ours), _values(theirs)
        both = ~(np.isnan(a) | np.isnan(b))
        if both.sum() >= 2:
            comparable.append((what, ours, theirs, int(both.sum())))
            value_pairs.append((a[None, both], b[None, both]))
    if not value_pairs:
        return []
    compared = compare(value_pairs, list(range(len(value_pairs))))
    return [
        CellComparison(
            what, ours.cell, theirs.cell, comparison, n, _kind(np.concatenate(pair, axis=None), ours.cell.metric)
        )
        for (what, ours, theirs, n), comparison, pair in zip(comparable, compared, value_pairs, strict=True)
    ]


def task_averages(results: Sequence[CellResult]) -> list[tuple[EvalCell, MacroAverage]]:
    """Macro average over tasks for each model, prompt, decoding and metric with several tasks."""
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for entry in results:
        cell = entry.cell
        groups.setdefault((cell.model, cell.setup, cell.decoding, cell.metric.name), []).append(entry)
    return [
        (group[0].cell, macro_average([entry.accuracy.estimate for entry in group if entry.accuracy is not None]))
        for group in groups.values()
        if len(group) > 1 and all(entry.accuracy is not None for entry in group)
    ]


def macro_average(values: Sequence[float]) -> MacroAverage:
    """Macro average of group values."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return MacroAverage(statistics.fmean(values), min(values), max(values), sd, len(values))


def to_data(results: Sequence[CellResult], compared: Sequence[CellComparison]) -> dict[str, Any]:
    """Results as JSON."""
    return {
        "cells": [{**_named(entry.cell), **_numbers(entry), "better": entry.cell.metric.better} for entry in results],
        "tasks": [{**_named(cell), "macro": asdict(average)} for cell, average in task_averages(results)],
        "comparisons": [
            {
                "differs": comparison.what,
                "ours": _named(comparison.ours),
                "theirs": _named(comparison.theirs),
                "n": comparison.n,
                "difference": asdict(comparison.compared.effect),
                "p": comparison.compared.p,
                "adjusted_p": comparison.compared.adjusted_p,
                "verdict": comparison.verdict,
                "kind": comparison.kind,
            }
            for comparison in compared
        ],
        "counting": UNPARSED_RULE,
    }


def _named(cell: EvalCell) -> Mapping[str, Any]:
    return {
        "model": cell.model,
        "task": cell.task.name,
        "prompt_name": cell.setup.name,
        "decoding": asdict(cell.decoding) if cell.decoding is not None else None,
        "metric": cell.metric.name,
    }


def _numbers(cell_result: CellResult) -> Mapping[str, Any]:
    # Not asdict: it would copy the task with all its documents.
    plain = {part.name: getattr(cell_result, part.name) for part in fields(cell_result) if part.name != "cell"}
    return {name: asdict(value) if isinstance(value, Effect | MacroAverage) else value for name, value in plain.items()}


def _values(evaluated: EvaluatedCell) -> npt.NDArray[np.float64]:
    """(questions,): value per question; 0 if unparsed, NaN without an answer."""
    values = []
    for outcome in evaluated.outcomes:
        unparsed = isinstance(outcome, Unscored) and outcome.cause == "unparsed"
        values.append(outcome.value if isinstance(outcome, Score) else 0.0 if unparsed else np.nan)
    return np.asarray(values, dtype=np.float64)


def _kind(values: npt.NDArray[np.float64], metric: EvalMetric) -> NumberKind:
    if metric.grader == "harness":
        return "proportion" if np.isin(values[~np.isnan(values)], (0, 1)).all() else "mean"
    return "proportion" if metric == ACCURACY else "mean"


def _mean(values: npt.NDArray[np.float64], metric: EvalMetric) -> Effect:
    """Mean with Wilson's interval for binary values, else a bootstrap interval clipped to the scale."""
    low, high = metric.low or 0.0, 1.0 if metric.high is None else metric.high
    if np.isin(values, (low, high)).all():
        effect = wilson(float(np.sum(values == high)), len(values))
        ends = [bound if bound is None else low + (high - low) * bound for bound in (effect.low, effect.high)]
        return replace(effect, estimate=float(values.mean()), low=ends[0], high=ends[1])
    effect = paired_bootstrap(values, np.zeros(len(values)), seed=0).effect
    most = np.inf if metric.high is None else metric.high
    least = -np.inf if metric.low is None else metric.low
    return replace(
        effect,
        low=None if effect.low is None else max(least, effect.low),
        high=None if effect.high is None else min(most, effect.high),
        method=f"bootstrap over {len(values)} questions",
    )


def _failure(evaluated: EvaluatedCell) -> str:
    reasons = (
        outcome.reason
        for outcome in evaluated.outcomes
        if isinstance(outcome, Unscored) and outcome.cause != "unparsed"
    )
    return next(reasons, "")


def _signature(evaluated: EvaluatedCell) -> str:
    if evaluated.cell.metric.grader != "text":
        return ""
    return next((outcome.reason for outcome in evaluated.outcomes if isinstance(outcome, Score)), "")


def _chance(evaluated: EvaluatedCell) -> float | None:
    if evaluated.chance is not None or evaluated.cell.metric.grader == "text":
        return evaluated.chance
    if not evaluated.items or not all(choices_of(sample) for sample in evaluated.items):
        return None
    items = [item_of(sample) for sample in evaluated.items]
    return statistics.fmean(len(item.right) / len(item.choices) for item in items)


def _subjects(evaluated: EvaluatedCell, values: npt.NDArray[np.float64]) -> MacroAverage | None:
    groups: dict[str, list[float]] = {}
    for item, value in zip(evaluated.items, values, strict=True):
        if not np.isnan(value):
            groups.setdefault(str(item.fields.get("subject", "")), []).append(float(value))
    return macro_average([statistics.fmean(group) for group in groups.values()]) if len(groups) > 1 else None


def _pairs(evaluated: Sequence[EvaluatedCell], what: str) -> list[tuple[EvaluatedCell, EvaluatedCell]]:
    """Pairs of each cell with the first cell that differs only in `what`."""
    firsts: dict[tuple[object, ...], EvaluatedCell] = {}
    pairs = []
    for entry in evaluated:
        cell = entry.cell
        parts: dict[str, object] = {"model": cell.model, "prompt": cell.setup, "decoding": cell.decoding}
        if what == "prompt":  # likelihood cells have no decoding: they are compared with every decoding
            del parts["decoding"]
        key = (cell.task.name, cell.metric.name, *(value for name, value in parts.items() if name != what))
        first = firsts.setdefault(key, entry)
        decodings = {cell.decoding, first.cell.decoding} - {None}
        if first is not entry and (what != "prompt" or len(decodings) < 2):
            pairs.append((entry, first))
    return pairs


def sum_or_none(values: Sequence[Number | None]) -> Number | None:
    """Sum of the values; None if one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
