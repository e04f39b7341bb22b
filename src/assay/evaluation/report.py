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
from assay.evaluation.results import UNPARSED_RULE, CellComparison, CellResult, task_averages
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
One = TypeVar("One", CellResult, CellComparison)


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
    cells = [one.cell for one in results]
    alike = common_parts(cells)
    many = {name: plural(len({names(cell)[name] for cell in cells}), name) for name in ("model", "task")}
    setups = len({(names(cell)["prompt"], names(cell)["decoding"]) for cell in cells})
    asked = f", {setups} prompt setups" if setups > 1 else ""
    return f"Evaluation of {alike.get('model', many['model'])} on {alike.get('task', many['task'])}{asked}"


def _tiles(results: Sequence[CellResult]) -> tuple[Tile, ...]:
    asked, scored = sum(one.n for one in results), sum(one.scored for one in results)
    lost, failed = sum(one.unparsed for one in results), sum(one.failed for one in results)
    paid = [one.dollars for one in results]
    known = [one for one in paid if one is not None]
    counts = [one.tokens for one in results]
    written = [one for one in counts if one is not None]
    of = f"of {count(asked)}: {count(lost)} unparsed, {count(failed)} failed"
    token_count = tokens(sum(written) if len(written) == len(counts) else None)
    return (
        Tile("answers parsed", count(scored), of),
        Tile("time", seconds(sum(one.seconds for one in results)), f"{token_count} tokens generated"),
        Tile("cost", dollars(sum(known) if len(known) == len(paid) else None), "of remote models"),
    )


def _by_metric(found: Sequence[One], cell: Callable[[One], EvalCell]) -> list[tuple[str, bool, list[One]]]:
    """Group by metric; each group has its name and whether it is a proportion."""
    groups: dict[tuple[str, bool], list[One]] = {}
    for one in found:
        groups.setdefault((metric_name(cell(one)), is_proportion(one)), []).append(one)
    return [(name, proportion, own) for (name, proportion), own in groups.items()]


def _cells(evaluated: Sequence[EvaluatedCell], results: Sequence[CellResult]) -> Section:
    alike = common_parts([one.cell for one in results])
    tables = []
    for name, proportion, own in _by_metric(results, lambda one: one.cell):
        axis = _axis(own, proportion)
        rows = [
            (
                one,
                short_name(one.cell, alike),
                CHANCE_WORDS.get(against_chance(one) or ""),
                *_numbers(one),
                _plot(one, axis),
            )
            for one in own
        ]
        tables.append((name, description(own[0].cell), rows, ruler(axis, "%" if proportion else "")))
    cuts = {id(one.cell): truncated(one) for one in evaluated}
    values = {
        "tables": tables,
        "alike": [f"{name} {part}" for name, part in alike.items()],
        "level": next((one.accuracy for one in results if one.accuracy is not None), None),
        "unparsed_rule": UNPARSED_RULE,
        "chance": any(one.chance is not None for one in results),
        "cells": [
            (one, names(one.cell), metric_name(one.cell), *_numbers(one), cuts.get(id(one.cell))) for one in results
        ],
    }
    return Section("cells", "Results by cell", fill("eval_cells.html", values))


def _numbers(one: CellResult) -> tuple[str, str]:
    """Value and interval of a cell."""
    if one.accuracy is None:
        return "none", "none"
    return value(one.accuracy.estimate, is_proportion(one)), between(one.accuracy, is_proportion(one))


def _axis(results: Sequence[CellResult], proportion: bool) -> Axis:
    """Axis that covers all intervals and chance levels."""
    known = [drawn(one.accuracy, proportion) for one in results if one.accuracy is not None]
    bounds = [100 * x for one in known for x in (one.low, one.estimate, one.high) if x is not None]
    return axis_over([*bounds, *(100 * one.chance for one in results if one.chance is not None)] or [0.0, 100.0])


def _plot(one: CellResult, axis: Axis) -> Markup:
    if one.accuracy is None:
        return Markup("")
    state = against_chance(one)
    chance = f", chance {percent(one.chance)}" if one.chance is not None else ""
    shown, interval = _numbers(one)
    label = f"{shown} {metric_name(one.cell)}, interval {interval}{chance}"
    css = GUESSED[state] if state is not None else "arm-filtered"
    row = Strip(label, drawn(one.accuracy, is_proportion(one)), css)
    return strip(row, axis, None if one.chance is None else 100 * one.chance)


def _compared(compared: Sequence[CellComparison]) -> Section | None:
    if not compared:
        return None
    tables = []
    for name, proportion, own in _by_metric(compared, lambda one: one.ours):
        axis = strip_axis([drawn(one.compared.effect, proportion) for one in own], signed=True)
        tables.append((name, [_compared_row(one, axis) for one in own], ruler(axis, "")))
    values = {"tables": tables, "count": len(compared), "effect": compared[0].compared.effect}
    return Section("compared", "Paired comparisons", fill("eval_compared.html", values))


def _compared_row(one: CellComparison, axis: Axis) -> tuple[object, ...]:
    ours, theirs, alike = compared_names(one)
    effect, proportion, verdict = one.compared.effect, is_proportion(one), one.verdict
    size = gap(effect, proportion), gap_between(effect, proportion)
    label = f"{ours} minus {theirs}: {size[0]}, interval {size[1]}"
    plot = strip(Strip(label, drawn(effect, proportion), TONES[verdict]), axis, zero=0.0)
    return one, ours, theirs, alike, WORDS[verdict], TONES[verdict], caution(one), *size, plot


def _subjects(evaluated: Sequence[EvaluatedCell]) -> Section | None:
    alike = common_parts([one.cell for one in evaluated])
    found = [(one, subjects) for one in evaluated if (subjects := by_subject(one))]
    if not found:
        return None
    panels = []
    for one, subjects in found:
        proportion = all(0 <= own.accuracy.estimate <= 1 for own in subjects)
        axis = axis_over([0.0, 100.0]) if proportion else strip_axis([drawn(own.accuracy, False) for own in subjects])
        rows = [
            (own, value(own.accuracy.estimate, proportion), _slim(own.name, own.accuracy, proportion, axis))
            for own in subjects
        ]
        panels.append(
            (short_name(one.cell, alike), metric_name(one.cell), rows, ruler(axis, "%" if proportion else ""))
        )
    every = [own.accuracy for _, subjects in found for own in subjects]
    single = all(one.n < 2 and one.estimate in (0, 1) for one in every)
    most = max(len(subjects) for _, subjects in found)
    values = {"panels": panels, "single": single, "missed": round(0.05 * most), "most": most}
    return Section("subjects", "Accuracy by subject", fill("eval_subjects.html", values))


def _slim(name: str, effect: Effect, proportion: bool, axis: Axis) -> Markup:
    label = f"{name}: {value(effect.estimate, proportion)}, interval {between(effect, proportion)}"
    return strip(Strip(label, drawn(effect, proportion), "arm-filtered"), axis)


def _macro(results: Sequence[CellResult]) -> Section | None:
    alike = common_parts([one.cell for one in results])
    proportions = {id(one.cell): is_proportion(one) for one in results}
    found = [
        (one.cell, short_name(one.cell, alike), "subject", one.subjects) for one in results if one.subjects is not None
    ]
    found += [(cell, short_name(cell, {**alike, "task": ""}), "task", own) for cell, own in task_averages(results)]
    if not found:
        return None
    rows = [
        (
            name,
            plural(own.groups, of),
            metric_name(cell),
            [None if x is None else value(x, proportions[id(cell)]) for x in (own.mean, own.low, own.high, own.sd)],
        )
        for cell, name, of, own in found
    ]
    return Section("macro", "Macro averages", fill("eval_spread.html", {"rows": rows}))


def _examples(evaluated: Sequence[EvaluatedCell]) -> Section:
    alike = common_parts([one.cell for one in evaluated])
    groups = [(short_name(one.cell, alike), len(one.items), examples(one)) for one in evaluated[:SHOWN]]
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
        "resampled": next((one.compared.effect.method for one in compared), ""),
        "metrics": [
            (name, text)
            for name, text in {metric_name(one.cell): description(one.cell) for one in evaluated}.items()
            if text
        ],
    }
    return Section("settings", "Settings and counting rules", fill("eval_counted.html", values))


def _tasks(evaluated: Sequence[EvaluatedCell]) -> list[tuple[str, str]]:
    return [
        (
            one.cell.task.name,
            f"{plural(len(one.items), 'question')} from {_source(one.cell)}; kind: {one.cell.task.kind}",
        )
        for one in _firsts(evaluated, "task")
    ]


def _prompts(evaluated: Sequence[EvaluatedCell]) -> list[tuple[str, str]]:
    return [(one.cell.setup.name, _prompt_description(one.cell.setup)) for one in _firsts(evaluated, "prompt")]


def _prompt_description(setup: PromptSetup) -> str:
    shots = plural(setup.shots, "example")
    if setup.convention is None:
        return METHODS[setup.method].format(shots=shots)
    return CONVENTIONS[setup.convention] + (f", after {shots}" if setup.shots else "")


def _decodings(evaluated: Sequence[EvaluatedCell]) -> list[tuple[str, str]]:
    return [(decoding_name(one.cell), _settings(one.cell)) for one in _firsts(evaluated, "decoding")]


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
    found: dict[str, EvaluatedCell] = {}
    for one in evaluated:
        found.setdefault(names(one.cell)[part], one)
    return list(found.values())
