"""Texts before a judge that grades them by criteria and evaluation steps, as G-Eval does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.judging.engine import Judge, Judging, Question, outcome_of
from assay.store.answers import StoredAnswer
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import Rated, Rubric, rating, rating_prompt, steps_prompt, weighed_rating

STEPS_TOKENS = 400


@dataclass(frozen=True)
class JudgedTexts:
    """All texts and the grades that a judge gave."""

    judge: Judge
    rubric: Rubric
    """With the steps that were held fixed."""
    items: Sequence[Sample]
    outcomes: Sequence[Outcome]
    rows: Sequence[StoredAnswer]


def with_steps(judging: Judging, judge: Judge, rubric: Rubric) -> Rubric:
    """`rubric` with evaluation steps that the judge writes once, greedily; a later run reads them.

    Raises:
        ModelError: It wrote none, or no end of them: small models repeat themselves.
    """
    writer = Judge(judge.reference, "answers", Decoding(max_tokens=STEPS_TOKENS))
    (row,) = judging.ask(writer, [Question(steps_prompt(rubric))])
    steps = row.texts[0].strip() if row.texts else ""
    hint = "Give them with --steps FILE, or leave them out with --no-steps."
    if not steps:
        raise ModelError(
            f"{judge.reference!r} wrote no evaluation steps: {row.reason or 'its answer is empty'}.", hint=hint
        )
    if row.ends[0] == "length":
        raise ModelError(
            f"{judge.reference!r} came to no end of its evaluation steps in {STEPS_TOKENS} tokens: "
            f"{steps[:80]!r} ... {steps[-40:]!r}.",
            hint=hint,
        )
    return replace(rubric, steps=steps)


def rate(judging: Judging, judge: Judge, rubric: Rubric, items: Sequence[Sample], seed: int = 0) -> JudgedTexts:
    """Asks what was not asked yet and reads all answers.

    Raises:
        UserError: As `Judging.ask`.
    """
    rows = judging.ask(judge, rate_questions(judge, rubric, items, seed))
    outcomes = [_read(judge, rubric, rated_of(one), row, seed) for one, row in zip(items, rows, strict=True)]
    return JudgedTexts(judge, rubric, items, outcomes, rows)


def rate_questions(judge: Judge, rubric: Rubric, items: Sequence[Sample], seed: int = 0) -> list[Question]:
    """What `rate` asks: one a text."""
    words = rubric.grades.words if judge.by == "likelihood" else ()
    return [Question(rating_prompt(rubric, rated_of(item), judge.by, seed), words) for item in items]


def rated_of(item: Sample) -> Rated:
    """As a judge sees it: no human grade, no reference."""
    asked, given = (str(item.fields.get(name, "")) for name in ("instruction", "input"))
    return Rated(item.text("output"), asked, given, history_messages(item))


def _read(judge: Judge, rubric: Rubric, rated: Rated, row: StoredAnswer, seed: int) -> Outcome:
    if judge.by == "likelihood":
        return outcome_of(row, lambda texts, ends: weighed_rating(rubric, row.likelihoods))
    return outcome_of(row, partial(rating, rubric, rated, seed=seed))
