"""Stages that evaluate trained models, and the reference classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.roles import Artifact, Evaluator
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.context import RunContext, fresh
from assay.pipeline.stages.ood import REFERENCE
from assay.pipeline.stages.shards import ProveArm, ProveShard, part, readable
from assay.pipeline.stages.stage import GENERATE, HOLDOUT, Stage, StageId
from assay.store.rows import read_results


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
            ProveShard(folder / part(nth), model.name, model.nth or 0, context.artifact(model))
            for nth, model in enumerate(self.models)
        ]
        return _evaluated(context, self.id, context.bind(self.evaluator), self.holdout, shards)


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
        shard = ProveShard(folder / part(0), REFERENCE, 0, Artifact(self.model, "image-classifier", ""))
        counts = _evaluated(context, self.id, self.evaluator, HOLDOUT, [shard])
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
            ProveShard(folder / part(nth), model.name, 0, context.artifact(model))
            for nth, model in enumerate(self.models)
        ]
        counts = _evaluated(context, self.id, self.evaluator, GENERATE, shards)
        return {"rows": counts["rows"]}


def _evaluated(
    context: RunContext, stage: StageId, evaluator: Evaluator, samples: StageId, shards: Sequence[ProveShard]
) -> dict[str, int]:
    """Evaluate the models of `shards` on the samples of a completed stage, except those of parts that are there."""
    counts = context.receipts[samples].counts
    rows = counts["made"] if samples == GENERATE else counts["rows"]
    todo = [shard for shard in shards if readable(shard.target, read_results) is None]
    work = ProveArm(evaluator, context.models, context.folders[samples])
    tallies = context.map(work, todo, stage, rows * len(shards), rows * (len(shards) - len(todo)))
    return {"rows": rows * len(shards), "fresh": fresh(tallies)}
