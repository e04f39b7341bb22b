"""What was asked and how it was counted: all that moves the numbers of an evaluation, for the end of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.analysis.format import plural
from assay.evaluation.page.text import decoding_name, explained, measure, names
from assay.evaluation.plan import Cell, Manner
from assay.evaluation.results import UNSEEN, Comparison
from assay.evaluation.run import Filled
from assay.pipeline.recipe.spec import describe
from assay.report.document import Section, versions_fact
from assay.report.template import fill

CONVENTIONS = {
    "letter": "nothing is written: the most probable letter after the question with its choices",
    "text": "nothing is written: the most probable choice, by the sum of its log-probabilities",
    "text-normalized": "nothing is written: the most probable choice, by its log-probability a character",
}
METHODS = {
    "zero-shot": "the model writes its answer after the question alone",
    "few-shot": "the model writes its answer after {shots} with their answers",
    "chain-of-thought": "the model writes its answer after {shots} with reasoning and answer",
    "zero-shot-cot": "in two calls: the model is made to think step by step, then asked for the answer",
}


def settings(filled: Sequence[Filled], compared: Sequence[Comparison], versions: Mapping[str, str]) -> Section:
    """The last section."""
    values = {
        "facts": [*_tasks(filled), *_prompts(filled), *_decodings(filled), *versions_fact(versions)],
        "unseen": UNSEEN,
        "compared": len(compared),
        "cells": len(filled),
        "resampled": next((one.compared.effect.method for one in compared), ""),
        "measures": [
            (name, said) for name, said in {measure(one.cell): explained(one.cell) for one in filled}.items() if said
        ],
    }
    return Section("counted", "What was asked, and how it was counted", fill("eval_counted.html", values))


def _tasks(filled: Sequence[Filled]) -> list[tuple[str, str]]:
    return [
        (
            one.cell.task.name,
            f"{plural(len(one.items), 'question')} from {_source(one.cell)}; kind: {one.cell.task.kind}",
        )
        for one in _firsts(filled, "task")
    ]


def _prompts(filled: Sequence[Filled]) -> list[tuple[str, str]]:
    return [(one.cell.manner.name, _way(one.cell.manner)) for one in _firsts(filled, "prompt")]


def _way(manner: Manner) -> str:
    shots = plural(manner.shots, "example")
    if manner.convention is None:
        return METHODS[manner.method].format(shots=shots)
    return CONVENTIONS[manner.convention] + (f", after {shots}" if manner.shots else "")


def _decodings(filled: Sequence[Filled]) -> list[tuple[str, str]]:
    return [(decoding_name(one.cell), _settings(one.cell)) for one in _firsts(filled, "decoding")]


def _settings(cell: Cell) -> str:
    """Every field that takes part, seed and limit too."""
    decoding = cell.decoding
    if decoding is None:
        return "not decoded by us"
    parts = [f"at most {plural(decoding.max_tokens, 'token')} an answer"]
    if decoding.strategy == "sample":
        parts += [f"{plural(decoding.answers, 'sample')} a question", f"seed {decoding.seed}"]
    return ", ".join(parts)


def _source(cell: Cell) -> str:
    """Where the questions come from, every argument written out."""
    if cell.task.harness is not None:
        return "lm-evaluation-harness"
    parts = {name: value for name, value in describe(cell.task.items).items() if value is not None}
    return ", ".join([str(parts.pop("use")), *(f"{name} {value}" for name, value in parts.items())])


def _firsts(filled: Sequence[Filled], part: str) -> list[Filled]:
    """The first cell of each task, prompt or decoding."""
    found: dict[str, Filled] = {}
    for one in filled:
        found.setdefault(names(one.cell)[part], one)
    return list(found.values())
