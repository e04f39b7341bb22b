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
from assay.core.scoring import score_isolated
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.context import RunContext, count_fresh
from assay.pipeline.stages.parts import ShardCounts, check_outcomes, is_failed, part_name, read_part, samples_of
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
        jobs = measure_shards(self.proof, folder, context.folders[EVALUATE], pairwise=self.pairwise)
        todo = incomplete_shards(jobs)
        rows = context.receipts[HOLDOUT].counts["rows"]
        work = MeasureArm(context.bind(self.scorer), context.models, self.seed, context.folders[HOLDOUT])
        counts = context.map(work, todo, self.id, rows * len(jobs), rows * (len(jobs) - len(todo)))
        return {
            "rows": rows * len(jobs),
            "failed": sum(shard.failed for shard in counts),
            "fresh": count_fresh(counts),
        }


@dataclass(frozen=True)
class MeasureShard:
    """The answers of one trained model, and those of its opponent in a pairwise comparison."""

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

    def __call__(self, shard: MeasureShard, /) -> ShardCounts:
        rows = read_results(shard.results)
        theirs = read_results(shard.against) if shard.against is not None else None
        items = samples_of(self.holdout)
        samples = [
            _sample(item, row, theirs[nth] if theirs is not None else None)
            for nth, (item, row) in enumerate(zip(items, rows, strict=True))
        ]
        existing = self._existing(shard.target)
        todo = [sample for sample in samples if sample is not None and sample.parents[0] not in existing]
        outcomes = score_isolated(self.component, todo, Lab(self.seed, self.models, StoredImages([self.holdout])))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, todo, outcomes)
        by_id = {**existing} | {sample.parents[0]: outcome for sample, outcome in zip(todo, outcomes, strict=True)}
        results = [
            ResultRow(row.arm, row.seed, row.id, NO_ANSWER if sample is None else by_id[row.id])
            for row, sample in zip(rows, samples, strict=True)
        ]
        write_results(shard.target, results)
        return ShardCounts(len(results), sum(is_failed(row.outcome) for row in results), len(todo))

    def _existing(self, target: Path) -> Mapping[str, Outcome]:
        old = read_part(target, read_results) or []
        return {row.id: row.outcome for row in old if not is_failed(row.outcome)}


def measure_shards(proof: Proof, folder: Path, evaluated: Path, *, pairwise: bool) -> list[MeasureShard]:
    """One shard per trained model; in a pairwise comparison, one per model other than the opponent.

    A model is compared with the opponent's training of the same number, or with the last one if there are fewer.
    """
    cells = list(proof.cells)
    shards = []
    for nth, (arm, times) in enumerate(cells):
        if pairwise and arm == proof.opponent:
            continue
        theirs = [number for name, number in cells if name == proof.opponent]
        against = cells.index((proof.opponent, times if times in theirs else theirs[-1]))
        shards.append(
            MeasureShard(
                folder / part_name(nth),
                evaluated / part_name(nth),
                evaluated / part_name(against) if pairwise else None,
            )
        )
    return shards


def incomplete_shards(shards: Sequence[MeasureShard]) -> list[MeasureShard]:
    """Shards that are missing or hold failures."""
    incomplete = []
    for shard in shards:
        old = read_part(shard.target, read_results)
        if old is None or any(is_failed(row.outcome) for row in old):
            incomplete.append(shard)
    return incomplete


def answer_of(row: ResultRow) -> str | None:
    """The answer of a model to a held-out sample; None if it gave none."""
    return row.outcome.answer if isinstance(row.outcome, Score) else None


def _sample(item: Sample, ours: ResultRow, theirs: ResultRow | None) -> Sample | None:
    """Input of the scorer, without the names of the models; None if an answer is missing."""
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
