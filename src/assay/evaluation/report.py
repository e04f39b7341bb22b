"""Report page of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from markupsafe import Markup

from assay.analysis.format import count, dollars, percent, plural, seconds, tokens
from assay.analysis.measures import between, drawn, gap, gap_between, value
from assay.core.effect import Effect
from assay.evaluation.examples import examples
from assay.evaluation.findings import (
    GUESSED,
    TONES,
    WORDS,
    against_chance,
    by_subject,
    caution,
    common_parts,
    compared_names,
    decoding_name,
    description,
    finding,
    is_proportion,
    metric_name,
    names,
    short_name,
    truncated,
)
from assay.evaluation.plan import EvalCell, PromptSetup
from assay.evaluation.results import UNPARSED_RULE, CellComparison, CellResult, sum_or_none, task_averages
from assay.evaluation.run import EvaluatedCell
from assay.pipeline.recipe.spec import describe
from assay.report.axis import Axis, axis_over
from assay.report.charts import Strip, ruler, strip, strip_axis
from assay.report.document import Head, Section, Tile, versions_fact, with_head
from assay.report.template import fill

SHOWN = 12
"""Maximum number of cells with example answers; all answers are in the run folder."""
CHANCE_WORDS = {
    "better": "better than chance",
    "worse": "worse than chance",
    "no better": "not significantly better than chance",
}
Entry = TypeVar("Entry", CellResult, CellComparison)


def render_eval(
    evaluated: Sequence[EvaluatedCell],
    results: Sequence[CellResult],
    compared: Sequence[CellComparison],
    versions: Mapping[str, str],
) -> str:
    """Render the self-contained HTML page. Write it with UTF-8."""
    head = Head("eval", _title(results), finding(evaluated, results, compared), _tiles(results))
    sections = (
        _cells(evaluated, results),
        _compared(compared),
        _subjects(evaluated),
        _macro(results),
        _examples(evaluated),
    )
    return with_head(head, [*filter(None, sections), settings(evaluated, compared, versions)])


def _title(results: Sequence[CellResult]) -> str:
    cells = [result.cell for result in results]
    alike = common_parts(cells)
    many = {name: plural(len({names(cell)[name] for cell in cells}), name) for name in ("model", "task")}
    setups = len({(names(cell)["prompt"], names(cell)["decoding"]) for cell in cells})
    suffix = f", {setups} prompt setups" if setups > 1 else ""
    return f"Evaluation of {alike.get('model', many['model'])} on {alike.get('task', many['task'])}{suffix}"


def _tiles(results: Sequence[CellResult]) -> tuple[Tile, ...]:
    total, scored = sum(result.n for result in results), sum(result.scored for result in results)
    lost, failed = sum(result.unparsed for result in results), sum(result.failed for result in results)
    of = f"of {count(total)}: {count(lost)} unparsed, {count(failed)} failed"
    token_count = tokens(sum_or_none([result.tokens for result in results]))
    return (
        Tile("answers parsed", count(scored), of),
        Tile("time", seconds(sum(result.seconds for result in results)), f"{token_count} tokens generated"),
        Tile("cost", dollars(sum_or_none([result.dollars for result in results])), "of remote models"),
    )


def _by_metric(entries: Sequence[Entry], cell: Callable[[Entry], EvalCell]) -> list[tuple[str, bool, list[Entry]]]:
    """Group by metric; each group has its name and whether it is a proportion."""
    groups: dict[tuple[str, bool], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((metric_name(cell(entry)), is_proportion(entry)), []).append(entry)
    return [(name, proportion, group) for (name, proportion), group in groups.items()]


def _cells(evaluated: Sequence[EvaluatedCell], results: Sequence[CellResult]) -> Section:
    alike = common_parts([result.cell for result in results])
    tables = []
    for name, proportion, group in _by_metric(results, lambda result: result.cell):
        axis = _axis(group, proportion)
        rows = [
            (
                result,
                short_name(result.cell, alike),
                CHANCE_WORDS.get(against_chance(result) or ""),
                *_numbers(result),
                _plot(result, axis),
            )
            for result in group
        ]
        tables.append((name, description(group[0].cell), rows, ruler(axis, "%" if proportion else "")))
    cuts = {id(entry.cell): truncated(entry) for entry in evaluated}
    values = {
        "tables": tables,
        "alike": [f"{name} {part}" for name, part in alike.items()],
        "level": next((result.accuracy for result in results if result.accuracy is not None), None),
        "unparsed_rule": UNPARSED_RULE,
        "chance": any(result.chance is not None for result in results),
        "cells": [
            (result, names(result.cell), metric_name(result.cell), *_numbers(result), cuts.get(id(result.cell)))
            for result in results
        ],
    }
    return Section("cells", "Results by cell", fill("eval_cells.html", values))


def _numbers(result: CellResult) -> tuple[str, str]:
    """Value and interval of a cell."""
    if result.accuracy is None:
        return "none", "none"
    return value(result.accuracy.estimate, is_proportion(result)), between(result.accuracy, is_proportion(result))


def _axis(results: Sequence[CellResult], proportion: bool) -> Axis:
    """Axis that covers all intervals and chance levels."""
    effects = [drawn(result.accuracy, proportion) for result in results if result.accuracy is not None]
    bounds = [100 * x for effect in effects for x in (effect.low, effect.estimate, effect.high) if x is not None]
    return axis_over(
        [*bounds, *(100 * result.chance for result in results if result.chance is not None)] or [0.0, 100.0]
    )


def _plot(result: CellResult, axis: Axis) -> Markup:
    if result.accuracy is None:
        return Markup("")
    state = against_chance(result)
    chance = f", chance {percent(result.chance)}" if result.chance is not None else ""
    number, interval = _numbers(result)
    label = f"{number} {metric_name(result.cell)}, interval {interval}{chance}"
    css = GUESSED[state] if state is not None else "arm-filtered"
    row = Strip(label, drawn(result.accuracy, is_proportion(result)), css)
    return strip(row, axis, None if result.chance is None else 100 * result.chance)


def _compared(compared: Sequence[CellComparison]) -> Section | None:
    if not compared:
        return None
    tables = []
    for name, proportion, group in _by_metric(compared, lambda comparison: comparison.ours):
        axis = strip_axis([drawn(comparison.compared.effect, proportion) for comparison in group], signed=True)
        tables.append((name, [_compared_row(comparison, axis) for comparison in group], ruler(axis, "")))
    values = {"tables": tables, "count": len(compared), "effect": compared[0].compared.effect}
    return Section("compared", "Paired comparisons", fill("eval_compared.html", values))


def _compared_row(comparison: CellComparison, axis: Axis) -> tuple[object, ...]:
    ours, theirs, alike = compared_names(comparison)
    effect, proportion, verdict = comparison.compared.effect, is_proportion(comparison), comparison.verdict
    size = gap(effect, proportion), gap_between(effect, proportion)
    label = f"{ours} minus {theirs}: {size[0]}, interval {size[1]}"
    plot = strip(Strip(label, drawn(effect, proportion), TONES[verdict]), axis, zero=0.0)
    return comparison, ours, theirs, alike, WORDS[verdict], TONES[verdict], caution(comparison), *size, plot


def _subjects(evaluated: Sequence[EvaluatedCell]) -> Section | None:
    alike = common_parts([entry.cell for entry in evaluated])
    by_cell = [(entry, subjects) for entry in evaluated if (subjects := by_subject(entry))]
    if not by_cell:
        return None
    panels = []
    for entry, subjects in by_cell:
        proportion = all(0 <= subject.accuracy.estimate <= 1 for subject in subjects)
        axis = (
            axis_over([0.0, 100.0])
            if proportion
            else strip_axis([drawn(subject.accuracy, False) for subject in subjects])
        )
        rows = [
            (
                subject,
                value(subject.accuracy.estimate, proportion),
                _slim(subject.name, subject.accuracy, proportion, axis),
            )
            for subject in subjects
        ]
        panels.append(
            (short_name(entry.cell, alike), metric_name(entry.cell), rows, ruler(axis, "%" if proportion else ""))
        )
    accuracies = [subject.accuracy for _, subjects in by_cell for subject in subjects]
    single = all(accuracy.n < 2 and accuracy.estimate in (0, 1) for accuracy in accuracies)
    most = max(len(subjects) for _, subjects in by_cell)
    values = {"panels": panels, "single": single, "missed": round(0.05 * most), "most": most}
    return Section("subjects", "Accuracy by subject", fill("eval_subjects.html", values))


def _slim(name: str, effect: Effect, proportion: bool, axis: Axis) -> Markup:
    label = f"{name}: {value(effect.estimate, proportion)}, interval {between(effect, proportion)}"
    return strip(Strip(label, drawn(effect, proportion), "arm-filtered"), axis)


def _macro(results: Sequence[CellResult]) -> Section | None:
    alike = common_parts([result.cell for result in results])
    proportions = {id(result.cell): is_proportion(result) for result in results}
    averages = [
        (result.cell, short_name(result.cell, alike), "subject", result.subjects)
        for result in results
        if result.subjects is not None
    ]
    averages += [
        (cell, short_name(cell, {**alike, "task": ""}), "task", average) for cell, average in task_averages(results)
    ]
    if not averages:
        return None
    rows = [
        (
            name,
            plural(average.groups, of),
            metric_name(cell),
            [
                None if x is None else value(x, proportions[id(cell)])
                for x in (average.mean, average.low, average.high, average.sd)
            ],
        )
        for cell, name, of, average in averages
    ]
    return Section("macro", "Macro averages", fill("eval_spread.html", {"rows": rows}))


def _examples(evaluated: Sequence[EvaluatedCell]) -> Section:
    alike = common_parts([entry.cell for entry in evaluated])
    groups = [(short_name(entry.cell, alike), len(entry.items), examples(entry)) for entry in evaluated[:SHOWN]]
    values = {"groups": groups, "left_out": len(evaluated) - len(groups)}
    return Section("examples", "Example answers", fill("eval_examples.html", values))


CONVENTIONS = {
    "letter": "log-likelihood of the choice letters after the question with its choices; nothing is generated",
    "text": "log-likelihood of each choice, summed over tokens; nothing is generated",
    "text-normalized": "log-likelihood of each choice, normalized by its number of characters; nothing is generated",
}
METHODS = {
    "zero-shot": "the model answers the question without examples",
    "few-shot": "the model answers after {shots} with answers",
    "chain-of-thought": "the model answers after {shots} with reasoning and answers",
    "zero-shot-cot": "two calls: the model reasons step by step, then is asked for the answer",
}


def settings(
    evaluated: Sequence[EvaluatedCell], compared: Sequence[CellComparison], versions: Mapping[str, str]
) -> Section:
    """The section on evaluation settings."""
    values = {
        "facts": [*_tasks(evaluated), *_prompts(evaluated), *_decodings(evaluated), *versions_fact(versions)],
        "unparsed_rule": UNPARSED_RULE,
        "compared": len(compared),
        "cells": len(evaluated),
        "resampled": next((comparison.compared.effect.method for comparison in compared), ""),
        "metrics": [
            (name, text)
            for name, text in {metric_name(entry.cell): description(entry.cell) for entry in evaluated}.items()
            if text
        ],
    }
    return Section("settings", "Settings and counting rules", fill("eval_counted.html", values))


def _tasks(evaluated: Sequence[EvaluatedCell]) -> list[tuple[str, str]]:
    return [
        (
            entry.cell.task.name,
            f"{plural(len(entry.items), 'question')} from {_source(entry.cell)}; kind: {entry.cell.task.kind}",
        )
        for entry in _firsts(evaluated, "task")
    ]


def _prompts(evaluated: Sequence[EvaluatedCell]) -> list[tuple[str, str]]:
    return [(entry.cell.setup.name, _prompt_description(entry.cell.setup)) for entry in _firsts(evaluated, "prompt")]


def _prompt_description(setup: PromptSetup) -> str:
    shots = plural(setup.shots, "example")
    if setup.convention is None:
        return METHODS[setup.method].format(shots=shots)
    return CONVENTIONS[setup.convention] + (f", after {shots}" if setup.shots else "")


def _decodings(evaluated: Sequence[EvaluatedCell]) -> list[tuple[str, str]]:
    return [(decoding_name(entry.cell), _settings(entry.cell)) for entry in _firsts(evaluated, "decoding")]


def _settings(cell: EvalCell) -> str:
    """Decoding settings, with seed and token limit."""
    decoding = cell.decoding
    if decoding is None:
        return "set by the task, or not applicable"
    parts = [f"at most {plural(decoding.max_tokens, 'token')} per answer"]
    if decoding.strategy == "sample":
        parts += [f"{plural(decoding.answers, 'sample')} per question", f"seed {decoding.seed}"]
    return ", ".join(parts)


def _source(cell: EvalCell) -> str:
    """Source of the questions with all its arguments."""
    if cell.task.harness is not None:
        return "lm-evaluation-harness"
    parts = {name: value for name, value in describe(cell.task.items).items() if value is not None}
    return ", ".join([str(parts.pop("use")), *(f"{name} {value}" for name, value in parts.items())])


def _firsts(evaluated: Sequence[EvaluatedCell], part: str) -> list[EvaluatedCell]:
    """First cell of each task, prompt or decoding."""
    firsts: dict[str, EvaluatedCell] = {}
    for entry in evaluated:
        firsts.setdefault(names(entry.cell)[part], entry)
    return list(firsts.values())
