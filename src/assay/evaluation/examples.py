"""Example questions of each cell with the full output of the model, for checking the grading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from assay.analysis.excerpts import cut, marked, turns
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.ask_cells import question_text, rendered_prompt
from assay.evaluation.asking import extract_answer
from assay.evaluation.findings import metric_name
from assay.evaluation.plan import EvalCell, choices_of
from assay.evaluation.run import EvaluatedCell
from assay.store.answers import StoredAnswer
from assay.text.answers.choices import LETTERS

EXAMPLES_PER_KIND = {"correct": 2, "incorrect": 2, "unparsed": 2, "failed": 1, "lowest": 2, "middle": 1, "highest": 2}
"""Maximum number of examples per kind."""
TEXTS = 5
"""Maximum number of samples shown per answer."""


@dataclass(frozen=True)
class ShownChoice:
    """An answer choice with its log-likelihood."""

    letter: str
    text: str
    log_prob: float
    probability: float
    """Normalized over the choices."""
    chosen: bool
    correct: bool


@dataclass(frozen=True)
class EvalExample:
    """One example question of a cell."""

    kind: str
    """correct, incorrect, unparsed or failed; lowest, middle or highest for non-binary metrics."""
    question: str
    subject: str
    prompt: tuple[tuple[str, str], ...]
    """Roles and texts; empty if the stored answer is to a different prompt."""
    thinking: tuple[str, ...]
    """Reasoning of the first of two calls."""
    texts: tuple[Markup, ...]
    """Generated texts, with the extracted answer marked."""
    choices: tuple[ShownChoice, ...]
    extracted: str
    rule: str
    """Extraction rule, such as "last number"."""
    value: float | None
    """Value of a non-binary metric, else None."""
    reference: str
    failure: str
    """Reason why there is no answer."""
    truncated: bool
    """Whether the answer was truncated at the token limit."""


def examples(evaluated: EvaluatedCell) -> list[EvalExample]:
    """Select examples of each kind in the order of question digests: pseudo-random, and the same in all cells."""
    kinds = _kinds(evaluated.outcomes)
    order = sorted(range(len(evaluated.items)), key=lambda nth: evaluated.items[nth].id)
    picked = [
        nth for kind, most in EXAMPLES_PER_KIND.items() for nth in [nth for nth in order if kinds[nth] == kind][:most]
    ]
    return [_example(evaluated, nth, kinds[nth]) for nth in picked]


def _kinds(outcomes: Sequence[Outcome]) -> list[str]:
    values = sorted(outcome.value for outcome in outcomes if isinstance(outcome, Score))
    if set(values) <= {0.0, 1.0}:
        return [_kind(outcome) for outcome in outcomes]
    low, high = values[(len(values) - 1) // 3], values[2 * (len(values) - 1) // 3]
    return [
        _kind(outcome)
        if not isinstance(outcome, Score)
        else "lowest" if outcome.value <= low else "highest" if outcome.value >= high else "middle"
        for outcome in outcomes
    ]  # fmt: skip


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, Score):
        return "correct" if outcome.value == 1 else "incorrect"
    return "unparsed" if isinstance(outcome, Unscored) and outcome.cause == "unparsed" else "failed"


def _example(evaluated: EvaluatedCell, nth: int, kind: str) -> EvalExample:
    item, row, outcome, cell = evaluated.items[nth], evaluated.rows[nth], evaluated.outcomes[nth], evaluated.cell
    has_question = "question" in item.fields
    prompt, digest = rendered_prompt(cell, item, evaluated.pool) if has_question else ("", "")
    plain = not has_question or cell.setup.convention is not None or metric_name(cell) != "accuracy"
    texts, rule = (tuple(escape(cut(text)) for text in row.texts), "") if plain else _texts(cell, item, row)
    metric_value = outcome.value if isinstance(outcome, Score) and kind in ("lowest", "middle", "highest") else None
    return EvalExample(
        kind=kind,
        question=cut(question_text(item) if has_question else "\n".join(map(str, item.fields.values()))),
        subject=str(item.fields.get("subject", "")),
        prompt=turns(prompt) if digest == row.prompt else (),
        thinking=tuple(map(cut, row.thinking[:TEXTS])),
        texts=texts[:TEXTS],
        choices=_choices(item, row, outcome),
        extracted=_spelled(item, outcome.answer) if isinstance(outcome, Score) else "",
        rule=rule,
        value=metric_value,
        reference=_spelled(item, str(item.fields.get("answer", ""))),
        failure=cut(outcome.reason) if isinstance(outcome, Unscored) and kind == "failed" else "",
        truncated="length" in row.ends,
    )


def _texts(cell: EvalCell, item: Sample, row: StoredAnswer) -> tuple[tuple[Markup, ...], str]:
    choices = choices_of(item)
    prompting = cell.setup.prompting(cell.task.kind, len(choices))
    continues = prompting.steps == 2 and prompting.layout == "plain"
    excerpts, rules = [], []
    for text in row.texts:
        answer = extract_answer(text, prompting, choices, continues=continues)
        excerpts.append(escape(cut(text)) if answer is None else marked(text, answer.start, answer.end))
        rules += [answer.rule.replace("_", " ")] if answer is not None else []
    return tuple(excerpts), ", ".join(dict.fromkeys(rules))


def _choices(item: Sample, row: StoredAnswer, outcome: Outcome) -> tuple[ShownChoice, ...]:
    if not row.likelihoods:
        return ()
    logs = [likelihood.log_prob for likelihood in row.likelihoods]
    masses = [math.exp(log - max(logs)) for log in logs]
    correct = str(item.fields.get("answer", "")).split(",")
    answer = outcome.answer if isinstance(outcome, Score) else ""
    return tuple(
        ShownChoice(letter, text, log, mass / math.fsum(masses), letter == answer, letter in correct)
        for letter, text, log, mass in zip(LETTERS, choices_of(item), logs, masses, strict=False)
    )


def _spelled(item: Sample, answer: str) -> str:
    """Letters with the texts of their choices."""
    words = dict(zip(LETTERS, choices_of(item), strict=False))
    parts = answer.split(",")
    if not words or not all(part in words for part in parts):
        return cut(answer)
    return "; ".join(f"{part}: {words[part]}" for part in parts)
