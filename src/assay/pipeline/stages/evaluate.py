"""Stages that evaluate trained models, and the reference classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.roles import Artifact, Evaluator
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.context import RunContext, count_fresh
from assay.pipeline.stages.ood import REFERENCE
from assay.pipeline.stages.parts import ShardCounts, check_outcomes, is_failed, part_name, read_part, samples_of
from assay.pipeline.stages.stage import GENERATE, HOLDOUT, Stage, StageId
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, read_results, write_results


@dataclass(frozen=True)
class EvaluateStage(Stage):
    """Evaluates every trained model on held-out samples: those of the proof, or of an auxiliary evaluation."""

    evaluator: Evaluator
    holdout: StageId
    """Stage with the held-out samples."""
    models: tuple[StageId, ...]
    """Trainings whose models are evaluated, one part each."""

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return describe(self.evaluator)

    @property
    def version(self) -> int:
        return version_of(self.evaluator)

    @property
    def components(self) -> tuple[object, ...]:
        return (self.evaluator,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        shards = [
            EvaluateShard(folder / part_name(nth), model.name, model.nth or 0, context.artifact(model))
            for nth, model in enumerate(self.models)
        ]
        return _evaluate(context, self.id, context.bind(self.evaluator), self.holdout, shards)


@dataclass(frozen=True)
class ReferenceStage(Stage):
    """Evaluates the reference classifier on the held-out samples."""

    evaluator: Evaluator
    model: str

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return {"model": self.model, "evaluate": describe(self.evaluator)}

    @property
    def version(self) -> int:
        return version_of(self.evaluator)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        shard = EvaluateShard(folder / part_name(0), REFERENCE, 0, Artifact(self.model, "image-classifier", ""))
        counts = _evaluate(context, self.id, self.evaluator, HOLDOUT, [shard])
        return {"rows": counts["rows"]}


@dataclass(frozen=True)
class AgreementStage(Stage):
    """Evaluates trained classifiers on the generated samples, to compare them with the reference classifier."""

    evaluator: Evaluator
    models: tuple[StageId, ...]

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return {"evaluate": describe(self.evaluator)}

    @property
    def version(self) -> int:
        return version_of(self.evaluator)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        shards = [
            EvaluateShard(folder / part_name(nth), model.name, 0, context.artifact(model))
            for nth, model in enumerate(self.models)
        ]
        counts = _evaluate(context, self.id, self.evaluator, GENERATE, shards)
        return {"rows": counts["rows"]}


@dataclass(frozen=True)
class EvaluateShard:
    """One trained model to evaluate."""

    target: Path
    arm: str
    nth: int
    artifact: Artifact


@dataclass(frozen=True)
class EvaluateModel:
    """Evaluates one trained model on every held-out sample."""

    component: Evaluator
    models: Models
    holdout: Path

    def __call__(self, shard: EvaluateShard, /) -> ShardCounts:
        samples = samples_of(self.holdout)
        outcomes = self.component.evaluate(shard.artifact, samples, Lab(0, self.models, StoredImages([self.holdout])))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rows = [
            ResultRow(arm=shard.arm, seed=shard.nth, id=sample.id, outcome=outcome)
            for sample, outcome in zip(samples, outcomes, strict=True)
        ]
        write_results(shard.target, rows)
        return ShardCounts(len(rows), sum(is_failed(row.outcome) for row in rows), len(rows))


def _evaluate(
    context: RunContext, stage: StageId, evaluator: Evaluator, samples: StageId, shards: Sequence[EvaluateShard]
) -> dict[str, int]:
    """Evaluate the models of `shards` on the samples of a completed stage, except those whose parts exist."""
    available = context.receipts[samples].counts
    rows = available["made"] if samples == GENERATE else available["rows"]
    todo = [shard for shard in shards if read_part(shard.target, read_results) is None]
    work = EvaluateModel(evaluator, context.models, context.folders[samples])
    counts = context.map(work, todo, stage, rows * len(shards), rows * (len(shards) - len(todo)))
    return {"rows": rows * len(shards), "fresh": count_fresh(counts)}
