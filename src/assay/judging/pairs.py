"""Pairs before a judge: each in both orders, and a verdict only where both agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.judging.engine import Judge, Judging, Question, outcome_of
from assay.store.answers import StoredAnswer
from assay.text.answers.verdicts import PairJudgment, other_order
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import LETTERS, Pair, choice, pair_prompt, weighed_choice


@dataclass(frozen=True)
class JudgedPairs:
    """All pairs and what one judge said."""

    judge: Judge
    items: Sequence[Sample]
    verdicts: Sequence[PairJudgment]
    rows: Sequence[StoredAnswer]
    """Two a pair: as given and swapped."""


def judge_pairs(judging: Judging, judge: Judge, items: Sequence[Sample], *, ties: bool, seed: int = 0) -> JudgedPairs:
    """Asks what was not asked yet and reads all answers.

    Raises:
        UserError: As `Judging.ask`.
    """
    shown = _shown(items)
    rows = judging.ask(judge, pair_questions(judge, items, ties=ties, seed=seed))
    read = [_read(judge, pair, row, ties=ties, seed=seed) for pair, row in zip(shown, rows, strict=True)]
    verdicts = [PairJudgment(read[at], other_order(read[at + 1])) for at in range(0, len(read), 2)]
    return JudgedPairs(judge, items, verdicts, rows)


def pair_questions(judge: Judge, items: Sequence[Sample], *, ties: bool, seed: int = 0) -> list[Question]:
    """What `judge_pairs` asks: two a pair, as given and swapped."""
    words = (LETTERS if ties else LETTERS[:2]) if judge.by == "likelihood" else ()
    return [Question(pair_prompt(pair, judge.by, ties=ties, seed=seed), words) for pair in _shown(items)]


def pair_of(item: Sample) -> Pair:
    """As a judge sees it: no names, no labels."""
    given = str(item.fields.get("input", ""))
    return Pair(item.text("instruction"), item.text("output_a"), item.text("output_b"), given, history_messages(item))


def _shown(items: Sequence[Sample]) -> list[Pair]:
    return [pair for item in items for pair in (pair_of(item), pair_of(item).swapped)]


def _read(judge: Judge, pair: Pair, row: StoredAnswer, *, ties: bool, seed: int) -> Outcome:
    if judge.by == "likelihood":
        return outcome_of(row, lambda texts, ends: weighed_choice(row.likelihoods))
    return outcome_of(row, partial(choice, pair, ties=ties, seed=seed))
