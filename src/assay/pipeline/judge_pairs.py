"""Pairs before a judge: each in both orders, and a verdict only where both agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from assay.core.sample import Sample
from assay.core.score import Outcome, Score
from assay.pipeline.judging import Judge, Judging, Question, outcome_of
from assay.store.answers import AnswerRow
from assay.text.judging import LETTERS, Pair, choice, pair_prompt, weighed_choice


@dataclass(frozen=True)
class Verdict:
    """What a judge said of one pair; values are what it gives to `output_a`: 1 better, 0 worse, 1/2 a tie."""

    as_given: Outcome
    swapped: Outcome
    """Mapped back: also of `output_a`, which was shown second."""

    @property
    def orders(self) -> tuple[float, float] | None:
        """Both values; None where an order has none."""
        given, swapped = self.as_given, self.swapped
        return (given.value, swapped.value) if isinstance(given, Score) and isinstance(swapped, Score) else None

    @property
    def conflict(self) -> bool:
        """Whether the orders disagree."""
        return self.orders is not None and self.orders[0] != self.orders[1]

    @property
    def worth(self) -> float | None:
        """What both say of `output_a`; a conflict counts as a tie, 1/2."""
        return None if self.orders is None else self.orders[0] if not self.conflict else 0.5

    @property
    def balanced(self) -> float | None:
        """The mean probability of `output_a` over both orders; None where no probabilities were compared.

        Source: Wang et al. 2023, "Large language models are not fair evaluators", section 3.2, "Balanced position
        calibration"; there of grades, here of probabilities.
        """
        both = (self.as_given, self.swapped)
        soft = [one.evidence["first"] for one in both if isinstance(one, Score) and "first" in one.evidence]
        return sum(soft) / 2 if len(soft) == 2 else None


@dataclass(frozen=True)
class JudgedPairs:
    """All pairs and what one judge said."""

    judge: Judge
    items: Sequence[Sample]
    verdicts: Sequence[Verdict]
    rows: Sequence[AnswerRow]
    """Two a pair: as given and swapped."""


def judge_pairs(judging: Judging, judge: Judge, items: Sequence[Sample], *, ties: bool, seed: int = 0) -> JudgedPairs:
    """Asks what was not asked yet and reads all answers.

    Raises:
        UserError: As `Judging.ask`.
    """
    shown = _shown(items)
    rows = judging.ask(judge, pair_questions(judge, items, ties=ties, seed=seed))
    read = [_read(judge, pair, row, ties=ties, seed=seed) for pair, row in zip(shown, rows, strict=True)]
    verdicts = [Verdict(read[at], _turned(read[at + 1])) for at in range(0, len(read), 2)]
    return JudgedPairs(judge, items, verdicts, rows)


def pair_questions(judge: Judge, items: Sequence[Sample], *, ties: bool, seed: int = 0) -> list[Question]:
    """What `judge_pairs` asks: two a pair, as given and swapped."""
    words = (LETTERS if ties else LETTERS[:2]) if judge.by == "likelihood" else ()
    return [Question(pair_prompt(pair, judge.by, ties=ties, seed=seed), words) for pair in _shown(items)]


def pair_of(item: Sample) -> Pair:
    """As a judge sees it: no names, no labels."""
    return Pair(
        item.text("instruction"), item.text("output_a"), item.text("output_b"), str(item.fields.get("input", ""))
    )


def _shown(items: Sequence[Sample]) -> list[Pair]:
    return [pair for item in items for pair in (pair_of(item), pair_of(item).swapped)]


def _read(judge: Judge, pair: Pair, row: AnswerRow, *, ties: bool, seed: int) -> Outcome:
    if judge.by == "likelihood":
        return outcome_of(row, lambda texts, ends: weighed_choice(row.likelihoods))
    return outcome_of(row, partial(choice, pair, ties=ties, seed=seed))


def _turned(outcome: Outcome) -> Outcome:
    """What is said of the first place, as said of the second."""
    if not isinstance(outcome, Score):
        return outcome
    evidence = {name: 1 - value if name == "first" else value for name, value in outcome.evidence.items()}
    return replace(outcome, value=1 - outcome.value, evidence=evidence)
