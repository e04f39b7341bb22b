"""Further results on the models' answers: other measures, auxiliary evaluations, pairwise comparisons, examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from assay.analysis.excerpts import conversation_before, cut
from assay.analysis.finished_run import FinishedRun, Results, read_all
from assay.analysis.measures import ProofMeasure
from assay.analysis.proof import ArmComparison, compare_arms, mean_of, measure_named, values_of
from assay.core.effect import Effect
from assay.core.lab import hash_seed
from assay.core.score import Scale, Score, Unscored
from assay.pipeline.stages.measure import answer_of
from assay.pipeline.stages.stage import StageId, StageKind
from assay.stats.inference.compare import Verdict, verdict
from assay.stats.inference.intervals import wilson
from assay.stats.ratings.length_control import length_audit
from assay.store.rows import ResultRow

MAX_EXAMPLES = 6
MAX_TEXT = 600
"""Characters of a task or an answer."""


@dataclass(frozen=True)
class MeasureResult:
    """One measure of every arm, and the comparisons by it."""

    measure: ProofMeasure
    arms: Mapping[str, Effect]
    comparisons: tuple[ArmComparison, ...]
    """The pairs of the proof's own measure, Holm-adjusted among themselves."""
    unscored: int = 0
    """Answers without a score."""


@dataclass(frozen=True)
class PairwiseComparison:
    """Pairwise comparison of two models' answers by a judge, each pair in both orders."""

    ours: str
    theirs: str
    judge: str
    """Model reference."""
    n: int
    """Pairs that were judged in both orders."""
    wins: Effect
    """Win rate of ours; ties, identical answers and position inconsistency count one half."""
    equal_length: Effect | None
    """Length-controlled win rate; None if it cannot be estimated."""
    conflicts: float | None
    """Fraction of pairs with different answers on which the two orders disagree; None if all are identical."""
    same: int
    """Pairs of identical answers."""
    longer: float
    """Mean number of characters of our answers minus theirs."""
    unscored: int

    @property
    def verdict(self) -> Verdict:
        """Whether the win rate differs from one half, at equal length if available."""
        rate = self.wins if self.equal_length is None else self.equal_length
        low, high = (None if end is None else end - 0.5 for end in (rate.low, rate.high))
        return verdict(replace(rate, estimate=rate.estimate - 0.5, low=low, high=high))


@dataclass(frozen=True)
class ExampleAnswers:
    """A held-out task with its reference answer and every model's answer."""

    id: str
    instruction: str
    given: str
    """Input of the instruction; may be empty."""
    reference: str
    answers: Mapping[str, str]
    """Answer of each arm's first training."""
    before: str = ""
    """Conversation before the task."""


def other_measures(run: FinishedRun) -> tuple[MeasureResult, ...]:
    """Evaluate each of `prove.measures`; without a score of every model a result has no arms and no comparisons."""
    proof = run.recipe.prove
    measures = proof.measures.items() if proof else ()
    return tuple(_measured(run, str(StageId(StageKind.MEASURE, name)), name, scorer.scale) for name, scorer in measures)


def auxiliary_evaluation(run: FinishedRun) -> tuple[MeasureResult, ...]:
    """Evaluate each of `prove.also` in the same way."""
    proof = run.recipe.prove
    evaluations = proof.also.items() if proof else ()
    return tuple(
        _measured(run, str(StageId(StageKind.AUXILIARY, name)), name, extra.evaluate.scale)
        for name, extra in evaluations
    )


def _measured(run: FinishedRun, stage: str, name: str, scale: Scale) -> MeasureResult:
    assert run.recipe.prove is not None, "measures need a proof"
    results = read_all(run.stages[stage].folder)
    measure = measure_named(name, scale)
    values = values_of(results, run.recipe.prove.arms, measure)
    scored = bool(next(iter(values.values())).shape[1])
    seeds = {arm: hash_seed(run.recipe.seed, "mean", name, arm) % 2**32 for arm in values}
    return MeasureResult(
        measure=measure,
        arms={arm: mean_of(rows, measure, seeds[arm]) for arm, rows in values.items()} if scored else {},
        comparisons=compare_arms(run, values, measure) if scored else (),
        unscored=sum(isinstance(row.outcome, Unscored) for rows in results.values() for row in rows),
    )


def pairwise_comparisons(run: FinishedRun) -> tuple[PairwiseComparison, ...]:
    """Compare the answers of every arm with those of the opponent by the judge."""
    proof = run.recipe.prove
    if proof is None or proof.duel is None:
        return ()
    results = read_all(run.stages["duel"].folder)
    judge = str(getattr(proof.duel, "model", type(proof.duel).__name__))
    return tuple(_pairwise(run, arm, judge, results) for arm in proof.arms if any(name == arm for name, _ in results))


@dataclass
class _JudgedPairs:
    """Judgments of an arm's answers by held-out item, over all trainings."""

    values: dict[str, list[float]] = field(default_factory=dict)
    lengths: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    conflicts: list[float] = field(default_factory=list)
    same: int = 0
    unscored: int = 0

    def add(self, judgment: ResultRow, ours: ResultRow, theirs: ResultRow) -> None:
        """Add one judged pair of answers."""
        if not isinstance(judgment.outcome, Score):
            self.unscored += 1
            return
        self.values.setdefault(judgment.id, []).append(judgment.outcome.value)
        self.lengths.setdefault(judgment.id, []).append((_length(ours), _length(theirs)))
        self.same += "same" in judgment.outcome.evidence
        if "conflict" in judgment.outcome.evidence:
            self.conflicts.append(judgment.outcome.evidence["conflict"])


def _pairwise(run: FinishedRun, arm: str, judge: str, results: Results) -> PairwiseComparison:
    """Each item counts once: its value and lengths are means over the trainings."""
    assert run.recipe.prove is not None, "a pairwise comparison needs a proof"
    opponent, pairs = run.recipe.prove.opponent, _JudgedPairs()
    for rows in _matched(run, arm, opponent, results):
        pairs.add(*rows)
    values = [float(np.mean(wins)) for wins in pairs.values.values()]
    ours, theirs = (
        [float(np.mean([pair[side] for pair in lengths])) for lengths in pairs.lengths.values()] for side in (0, 1)
    )
    audit = None
    if len(values) > 1:
        audit = length_audit(values, ours, theirs, seed=hash_seed(run.recipe.seed, "duel", arm) % 2**32)
    return PairwiseComparison(
        ours=arm,
        theirs=opponent,
        judge=judge,
        n=len(values),
        wins=audit.win_rate if audit is not None else wilson(sum(values), max(1, len(values))),
        equal_length=audit.length_controlled if audit is not None else None,
        conflicts=float(np.mean(pairs.conflicts)) if pairs.conflicts else None,
        same=pairs.same,
        longer=float(np.mean(ours) - np.mean(theirs)) if values else 0.0,
        unscored=pairs.unscored,
    )


def _matched(
    run: FinishedRun, arm: str, opponent: str, results: Results
) -> Iterator[tuple[ResultRow, ResultRow, ResultRow]]:
    """Yield each judgment with the two answers it compares."""
    for (name, nth), rows in results.items():
        if name == arm:
            theirs = run.results.get((opponent, nth)) or run.results[opponent, 0]
            yield from zip(rows, run.results[arm, nth], theirs, strict=True)


def example_answers(run: FinishedRun) -> tuple[ExampleAnswers, ...]:
    """Select held-out tasks by a hash of their IDs, with the answer of every arm's first training."""
    proof = run.recipe.prove
    if proof is None or not getattr(proof.evaluate, "answers", False):
        return ()
    order = sorted(range(len(run.holdout)), key=lambda nth: hash_seed("answered", run.holdout[nth].id))[:MAX_EXAMPLES]
    examples = []
    for nth in sorted(order):
        item = run.holdout[nth]
        instruction, given, reference = (
            cut(str(item.fields.get(name, "")).strip(), MAX_TEXT) for name in ("instruction", "input", "output")
        )
        answers = {arm: _answer_text(run.results[arm, 0][nth]) for arm in proof.arms}
        before = cut(conversation_before(item), MAX_TEXT)
        examples.append(ExampleAnswers(item.id, instruction, given, reference, answers, before))
    return tuple(examples)


def _answer_text(row: ResultRow) -> str:
    answer = answer_of(row)
    return "(no answer)" if answer is None else cut(answer, MAX_TEXT) or "(empty)"


def _length(row: ResultRow) -> int:
    return len(answer_of(row) or "")
