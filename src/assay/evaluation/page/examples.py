"""A few questions of every cell with all that was said, so that a reader can judge the grading itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from assay.analysis.excerpts import cut, marked, turns
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.ask_cells import given, worded
from assay.evaluation.asking import read_answer
from assay.evaluation.page.text import measure
from assay.evaluation.plan import Cell, choices_of
from assay.evaluation.run import Filled
from assay.store.answers import StoredAnswer
from assay.text.answers.choices import LETTERS

EACH = {"right": 2, "wrong": 2, "unread": 2, "failed": 1, "lowest": 2, "middle": 1, "highest": 2}
"""How many of a kind are shown."""
TEXTS = 5
"""At most so many samples of one answer are shown."""


@dataclass(frozen=True)
class Choice:
    """A choice whose probability was compared."""

    letter: str
    text: str
    log_prob: float
    share: float
    """Of the probability of all choices together."""
    chosen: bool
    right: bool


@dataclass(frozen=True)
class Example:
    """One question of one cell."""

    kind: str
    """right, wrong, unread or failed; lowest, middle or highest where there are shares."""
    question: str
    subject: str
    prompt: tuple[tuple[str, str], ...]
    """Who says what; empty where the answer was kept from a prompt that is not known any more."""
    thinking: tuple[str, ...]
    """What was written in the first of two calls."""
    texts: tuple[Markup, ...]
    """What was written, with what was read in it marked."""
    choices: tuple[Choice, ...]
    read: str
    rule: str
    """What it was read by, such as "last number"."""
    value: float | None
    """Where it is a share; None where right and wrong say it."""
    wanted: str
    why: str
    """Why there is no answer."""
    cut_off: bool
    """Whether the limit of tokens ended it."""


def examples(filled: Filled) -> list[Example]:
    """Some of each kind, in the order of the digests of their questions: as good as by lot, and alike in all cells."""
    kinds = _kinds(filled.outcomes)
    order = sorted(range(len(filled.items)), key=lambda nth: filled.items[nth].id)
    picked = [nth for kind, most in EACH.items() for nth in [nth for nth in order if kinds[nth] == kind][:most]]
    return [_example(filled, nth, kinds[nth]) for nth in picked]


def _kinds(outcomes: Sequence[Outcome]) -> list[str]:
    values = sorted(one.value for one in outcomes if isinstance(one, Score))
    if set(values) <= {0.0, 1.0}:
        return [_kind(one) for one in outcomes]
    low, high = values[(len(values) - 1) // 3], values[2 * (len(values) - 1) // 3]
    return [
        _kind(one)
        if not isinstance(one, Score)
        else "lowest" if one.value <= low else "highest" if one.value >= high else "middle"
        for one in outcomes
    ]  # fmt: skip


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, Score):
        return "right" if outcome.value == 1 else "wrong"
    return "unread" if isinstance(outcome, Unscored) and outcome.cause == "unparsed" else "failed"


def _example(filled: Filled, nth: int, kind: str) -> Example:
    item, row, outcome, cell = filled.items[nth], filled.rows[nth], filled.outcomes[nth], filled.cell
    known = "question" in item.fields
    prompt, digest = given(cell, item, filled.pool) if known else ("", "")
    plain = not known or cell.manner.convention is not None or measure(cell) != "right"
    texts, rule = (tuple(escape(cut(text)) for text in row.texts), "") if plain else _texts(cell, item, row)
    share = outcome.value if isinstance(outcome, Score) and kind in ("lowest", "middle", "highest") else None
    return Example(
        kind=kind,
        question=cut(worded(item) if known else "\n".join(map(str, item.fields.values()))),
        subject=str(item.fields.get("subject", "")),
        prompt=turns(prompt) if digest == row.prompt else (),
        thinking=tuple(map(cut, row.thinking[:TEXTS])),
        texts=texts[:TEXTS],
        choices=_choices(item, row, outcome),
        read=_spelled(item, outcome.answer) if isinstance(outcome, Score) else "",
        rule=rule,
        value=share,
        wanted=_spelled(item, str(item.fields.get("answer", ""))),
        why=cut(outcome.reason) if isinstance(outcome, Unscored) and kind == "failed" else "",
        cut_off="length" in row.ends,
    )


def _texts(cell: Cell, item: Sample, row: StoredAnswer) -> tuple[tuple[Markup, ...], str]:
    choices = choices_of(item)
    prompting = cell.manner.prompting(cell.task.kind, len(choices))
    continues = prompting.steps == 2 and prompting.layout == "plain"
    found, rules = [], []
    for text in row.texts:
        read = read_answer(text, prompting, choices, continues=continues)
        found.append(escape(cut(text)) if read is None else marked(text, read.start, read.end))
        rules += [read.rule.replace("_", " ")] if read is not None else []
    return tuple(found), ", ".join(dict.fromkeys(rules))


def _choices(item: Sample, row: StoredAnswer, outcome: Outcome) -> tuple[Choice, ...]:
    if not row.likelihoods:
        return ()
    logs = [one.log_prob for one in row.likelihoods]
    masses = [math.exp(one - max(logs)) for one in logs]
    right = str(item.fields.get("answer", "")).split(",")
    answer = outcome.answer if isinstance(outcome, Score) else ""
    return tuple(
        Choice(letter, text, log, mass / math.fsum(masses), letter == answer, letter in right)
        for letter, text, log, mass in zip(LETTERS, choices_of(item), logs, masses, strict=False)
    )


def _spelled(item: Sample, answer: str) -> str:
    """Letters with the words that they stand for."""
    words = dict(zip(LETTERS, choices_of(item), strict=False))
    parts = answer.split(",")
    if not words or not all(part in words for part in parts):
        return cut(answer)
    return "; ".join(f"{part}: {words[part]}" for part in parts)
