"""Stages that score the answers of trained models: measures, and pairwise comparison by a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.recipe import Proof
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.core.scored import scored
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.context import RunContext, fresh
from assay.pipeline.stages.shards import Tally, check_outcomes, failed, part, readable, samples_of
from assay.pipeline.stages.stage import EVALUATE, HOLDOUT, Stage, StageKind, spec_of
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, read_results, write_results

NO_ANSWER = Unscored("not_applicable", "There is no answer to measure.")


@dataclass(frozen=True)
class MeasureStage(Stage):
    """Scores the answers of every trained model, or compares them in pairs with those of one opponent."""

    scorer: Scorer
    proof: Proof

    @property
    def pairwise(self) -> bool:
        """Whether answers are compared in pairs."""
        return self.id.kind is StageKind.DUEL

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return spec_of(self.scorer) | ({"against": self.proof.opponent} if self.pairwise else {})

    @property
    def version(self) -> int:
        return version_of(self.scorer)

    @property
    def components(self) -> tuple[object, ...]:
        return (self.scorer,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        jobs = shards(self.proof, folder, context.folders[EVALUATE], duel=self.pairwise)
        todo = to_do(jobs)
        rows = context.receipts[HOLDOUT].counts["rows"]
        work = MeasureArm(context.bind(self.scorer), context.models, self.seed, context.folders[HOLDOUT])
        tallies = context.map(work, todo, self.id, rows * len(jobs), rows * (len(jobs) - len(todo)))
        return {
            "rows": rows * len(jobs),
            "failed": sum(tally.failed for tally in tallies),
            "fresh": fresh(tallies),
        }


@dataclass(frozen=True)
class MeasureShard:
    """The answers of one trained model, and those of its opponent where a judge compares pairs."""

    target: Path
    results: Path
    """Rows of the evaluation, whose outcomes hold the answers."""
    against: Path | None = None


@dataclass(frozen=True)
class MeasureArm:
    """Scores the answers of one model, or only those whose scoring failed in an earlier run."""

    component: Scorer
    models: Models
    seed: int
    holdout: Path

    def __call__(self, shard: MeasureShard, /) -> Tally:
        rows = read_results(shard.results)
        theirs = read_results(shard.against) if shard.against is not None else None
        items = samples_of(self.holdout)
        asked = [
            _sample(item, row, theirs[nth] if theirs is not None else None)
            for nth, (item, row) in enumerate(zip(items, rows, strict=True))
        ]
        done = self._done(shard.target)
        todo = [one for one in asked if one is not None and one.parents[0] not in done]
        outcomes = scored(self.component, todo, Lab(self.seed, self.models, StoredImages([self.holdout])))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, todo, outcomes)
        found = {**done} | {one.parents[0]: outcome for one, outcome in zip(todo, outcomes, strict=True)}
        results = [
            ResultRow(row.arm, row.seed, row.id, NO_ANSWER if one is None else found[row.id])
            for row, one in zip(rows, asked, strict=True)
        ]
        write_results(shard.target, results)
        return Tally(len(results), sum(failed(row.outcome) for row in results), len(todo))

    def _done(self, target: Path) -> Mapping[str, Outcome]:
        old = readable(target, read_results) or []
        return {row.id: row.outcome for row in old if not failed(row.outcome)}


def shards(proof: Proof, folder: Path, proved: Path, *, duel: bool) -> list[MeasureShard]:
    """One shard per trained model; in a pairwise comparison, one per model other than the opponent.

    A model meets the opponent's training with the same number, or the last one if there are fewer.
    """
    cells = list(proof.cells)
    found = []
    for nth, (arm, times) in enumerate(cells):
        if duel and arm == proof.opponent:
            continue
        theirs = [number for name, number in cells if name == proof.opponent]
        against = cells.index((proof.opponent, times if times in theirs else theirs[-1]))
        found.append(MeasureShard(folder / part(nth), proved / part(nth), proved / part(against) if duel else None))
    return found


def to_do(shards: Sequence[MeasureShard]) -> list[MeasureShard]:
    """Shards that are missing or hold failures."""
    found = []
    for shard in shards:
        old = readable(shard.target, read_results)
        if old is None or any(failed(row.outcome) for row in old):
            found.append(shard)
    return found


def answer_of(row: ResultRow) -> str | None:
    """The answer of a model to a held-out sample; None where it gave none."""
    return row.outcome.answer if isinstance(row.outcome, Score) else None


def _sample(item: Sample, ours: ResultRow, theirs: ResultRow | None) -> Sample | None:
    """The sample that a scorer is given: without the names of the models."""
    answer = answer_of(ours)
    if answer is None:
        return None
    if theirs is None:
        return Sample({**item.fields, "text": answer}, parents=(item.id,), made_by=ours.arm, nth=ours.seed)
    other = answer_of(theirs)
    if other is None:
        return None
    pair = {"output_a": answer, "output_b": other}
    return Sample({**item.fields, **pair}, parents=(item.id,), made_by=ours.arm, nth=ours.seed)
