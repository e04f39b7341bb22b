"""Judgments of pairs in both orders, and of texts by a rubric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.judging.engine import JudgeConfig, JudgeRun, outcome_of
from assay.store.answers import StoredAnswer
from assay.text.answers.judgments import PairJudgment
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import (
    JudgePrompt,
    JudgeQuestion,
    Pair,
    Rated,
    Rubric,
    pair_judgments,
    pair_questions,
    rating_question,
    steps_prompt,
)


@dataclass(frozen=True)
class JudgedPairs:
    """Pairs with the verdicts of one judge."""

    judge: JudgeConfig
    items: Sequence[Sample]
    verdicts: Sequence[PairJudgment]
    rows: Sequence[StoredAnswer]
    """Two per pair: as given and swapped."""


def judge_pairs(
    run: JudgeRun, judge: JudgeConfig, items: Sequence[Sample], *, ties: bool, seed: int = 0
) -> JudgedPairs:
    """Ask outstanding questions and parse all answers.

    Raises:
        UserError: As `JudgeRun.ask`.
    """
    questions = judge_pair_questions(judge, items, ties=ties, seed=seed)
    rows = run.ask(judge, questions)
    outcomes = [outcome_of(row, question) for row, question in zip(rows, questions, strict=True)]
    return JudgedPairs(judge, items, pair_judgments(outcomes), rows)


def judge_pair_questions(
    judge: JudgeConfig, items: Sequence[Sample], *, ties: bool, seed: int = 0
) -> list[JudgeQuestion]:
    """Questions of `judge_pairs`: two per pair, as given and swapped."""
    pairs = map(pair_of, items)
    return [question for pair in pairs for question in pair_questions(pair, judge.by, ties=ties, seed=seed)]


def pair_of(item: Sample) -> Pair:
    """The pair as presented to the judge, without model names and labels."""
    input_text = str(item.fields.get("input", ""))
    return Pair(
        item.text("instruction"), item.text("output_a"), item.text("output_b"), input_text, history_messages(item)
    )


STEPS_TOKENS = 400


@dataclass(frozen=True)
class JudgedTexts:
    """Texts with the grades of one judge."""

    judge: JudgeConfig
    rubric: Rubric
    """With the evaluation steps used for all texts."""
    items: Sequence[Sample]
    outcomes: Sequence[Outcome]
    rows: Sequence[StoredAnswer]


def with_steps(run: JudgeRun, judge: JudgeConfig, rubric: Rubric) -> Rubric:
    """Add evaluation steps generated once by the judge with greedy decoding; they are stored and reused.

    Raises:
        ModelError: The judge generated no steps, or they were truncated.
    """
    writer = JudgeConfig(judge.reference, "answers", Decoding(max_tokens=STEPS_TOKENS))
    (row,) = run.ask(writer, [JudgePrompt(steps_prompt(rubric), ())])
    steps = row.texts[0].strip() if row.texts else ""
    hint = "Give them with --steps FILE, or omit them with --no-steps."
    if not steps:
        raise ModelError(
            f"{judge.reference!r} generated no evaluation steps: {row.reason or 'the answer is empty'}.", hint=hint
        )
    if row.ends[0] == "length":
        raise ModelError(
            f"{judge.reference!r} did not finish its evaluation steps within {STEPS_TOKENS} tokens: "
            f"{steps[:80]!r} ... {steps[-40:]!r}.",
            hint=hint,
        )
    return replace(rubric, steps=steps)


def rate(run: JudgeRun, judge: JudgeConfig, rubric: Rubric, items: Sequence[Sample], seed: int = 0) -> JudgedTexts:
    """Ask outstanding questions and parse all answers.

    Raises:
        UserError: As `JudgeRun.ask`.
    """
    questions = rate_questions(judge, rubric, items, seed)
    rows = run.ask(judge, questions)
    outcomes = [outcome_of(row, question) for row, question in zip(rows, questions, strict=True)]
    return JudgedTexts(judge, rubric, items, outcomes, rows)


def rate_questions(judge: JudgeConfig, rubric: Rubric, items: Sequence[Sample], seed: int = 0) -> list[JudgeQuestion]:
    """Questions of `rate`: one per text."""
    return [rating_question(rubric, rated_of(item), judge.by, seed) for item in items]


def rated_of(item: Sample) -> Rated:
    """The text as presented to the judge, without human grade and reference."""
    instruction, input_text = (str(item.fields.get(name, "")) for name in ("instruction", "input"))
    return Rated(item.text("output"), instruction, input_text, history_messages(item))
