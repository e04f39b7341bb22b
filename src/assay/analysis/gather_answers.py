"""What else a finished run measured of its models' answers: by scorers, and by a judge of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from assay.analysis.excerpts import conversation_before, cut
from assay.analysis.finished_run import Finished, Results, read_all
from assay.analysis.gather_proof import compared, mean_of, named, values_of
from assay.analysis.proof import Answered, Duel, OtherMeasure
from assay.core.score import Scale, Score, Unscored
from assay.pipeline.stages.arms import hashed
from assay.pipeline.stages.measure import answer_of
from assay.pipeline.stages.stage import StageId, StageKind
from assay.stats.inference.intervals import wilson
from assay.stats.ratings.length_control import length_audit
from assay.store.rows import ResultRow

TASKS_SHOWN = 6
CUT = 600
"""Characters of a task or an answer."""


def other_measures(run: Finished) -> tuple[OtherMeasure, ...]:
    """Each of `prove.measures`; one that has a number for no item of every model has no arms and no comparisons."""
    proof = run.recipe.prove
    measured = proof.measures.items() if proof else ()
    return tuple(_measured(run, str(StageId(StageKind.MEASURE, name)), name, scorer.scale) for name, scorer in measured)


def measured_beside(run: Finished) -> tuple[OtherMeasure, ...]:
    """Each of `prove.also`, likewise."""
    proof = run.recipe.prove
    measured = proof.also.items() if proof else ()
    return tuple(
        _measured(run, str(StageId(StageKind.AUXILIARY, name)), name, one.evaluate.scale) for name, one in measured
    )


def _measured(run: Finished, stage: str, name: str, scale: Scale) -> OtherMeasure:
    assert run.recipe.prove is not None, "without a proof there is nothing to measure"
    results = read_all(run.done[stage].folder)
    measure = named(name, scale)
    values = values_of(results, run.recipe.prove.arms, measure)
    known = bool(next(iter(values.values())).shape[1])
    seeds = {arm: hashed(run.recipe.seed, "mean", name, arm) % 2**32 for arm in values}
    return OtherMeasure(
        measure=measure,
        arms=tuple((arm, mean_of(rows, measure, seeds[arm])) for arm, rows in values.items()) if known else (),
        comparisons=compared(run, values, measure) if known else (),
        unscored=sum(isinstance(row.outcome, Unscored) for rows in results.values() for row in rows),
    )


def duels(run: Finished) -> tuple[Duel, ...]:
    """Every arm against the opponent."""
    proof = run.recipe.prove
    if proof is None or proof.duel is None:
        return ()
    results = read_all(run.done["duel"].folder)
    judge = str(getattr(proof.duel, "model", type(proof.duel).__name__))
    return tuple(_duel(run, arm, judge, results) for arm in proof.arms if any(name == arm for name, _ in results))


@dataclass
class _Pairs:
    """Of each held-out item, all that was judged over the trainings of an arm."""

    worth: dict[str, list[float]] = field(default_factory=dict)
    lengths: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    conflicts: list[float] = field(default_factory=list)
    same: int = 0
    lacking: int = 0

    def add(self, verdict: ResultRow, ours: ResultRow, theirs: ResultRow) -> None:
        """One pair of answers."""
        if not isinstance(verdict.outcome, Score):
            self.lacking += 1
            return
        self.worth.setdefault(verdict.id, []).append(verdict.outcome.value)
        self.lengths.setdefault(verdict.id, []).append((_length(ours), _length(theirs)))
        self.same += "same" in verdict.outcome.evidence
        if "conflict" in verdict.outcome.evidence:
            self.conflicts.append(verdict.outcome.evidence["conflict"])


def _duel(run: Finished, arm: str, judge: str, results: Results) -> Duel:
    """Each item counts once: its worth and its lengths are the means over the trainings."""
    assert run.recipe.prove is not None, "without a proof there is no duel"
    opponent, pairs = run.recipe.prove.opponent, _Pairs()
    for rows in _matched(run, arm, opponent, results):
        pairs.add(*rows)
    values = [float(np.mean(found)) for found in pairs.worth.values()]
    mine, theirs = (
        [float(np.mean([pair[side] for pair in found])) for found in pairs.lengths.values()] for side in (0, 1)
    )
    audit = None
    if len(values) > 1:
        audit = length_audit(values, mine, theirs, seed=hashed(run.recipe.seed, "duel", arm) % 2**32)
    return Duel(
        ours=arm,
        theirs=opponent,
        judge=judge,
        n=len(values),
        wins=audit.win_rate if audit is not None else wilson(sum(values), max(1, len(values))),
        equal_length=audit.length_controlled if audit is not None else None,
        conflicts=float(np.mean(pairs.conflicts)) if pairs.conflicts else None,
        same=pairs.same,
        longer=float(np.mean(mine) - np.mean(theirs)) if values else 0.0,
        unscored=pairs.lacking,
    )


def _matched(
    run: Finished, arm: str, opponent: str, results: Results
) -> Iterator[tuple[ResultRow, ResultRow, ResultRow]]:
    """A verdict, and the two answers it is about."""
    for (name, nth), rows in results.items():
        if name == arm:
            theirs = run.results.get((opponent, nth)) or run.results[opponent, 0]
            yield from zip(rows, run.results[arm, nth], theirs, strict=True)


def answered(run: Finished) -> tuple[Answered, ...]:
    """Some held-out tasks, chosen by a hash, with the answer of every arm's first training."""
    proof = run.recipe.prove
    if proof is None or not getattr(proof.evaluate, "answers", False):
        return ()
    order = sorted(range(len(run.holdout)), key=lambda nth: hashed("answered", run.holdout[nth].id))[:TASKS_SHOWN]
    found = []
    for nth in sorted(order):
        item = run.holdout[nth]
        asked, given, wanted = (
            cut(str(item.fields.get(name, "")).strip(), CUT) for name in ("instruction", "input", "output")
        )
        answers = tuple((arm, _said(run.results[arm, 0][nth])) for arm in proof.arms)
        found.append(Answered(item.id, asked, given, wanted, answers, cut(conversation_before(item), CUT)))
    return tuple(found)


def _said(row: ResultRow) -> str:
    answer = answer_of(row)
    return "(no answer)" if answer is None else cut(answer, CUT) or "(nothing)"


def _length(row: ResultRow) -> int:
    return len(answer_of(row) or "")
