"""What the stages of a run share: the recipe, models, engine, receipts and decoded samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import msgspec

from assay.core.lab import Models
from assay.core.recipe import Recipe
from assay.core.roles import Artifact, Engine, Work
from assay.core.sample import Made, Sample
from assay.core.score import Outcome
from assay.pipeline.progress import Reporter, SilentReporter
from assay.pipeline.recipe.references import referenced_models, replace_references
from assay.pipeline.stages.parts import ShardCounts, parts
from assay.pipeline.stages.stage import KEEP, StageId, model_id
from assay.store.atomic import write_bytes
from assay.store.receipts import Receipt
from assay.store.rows import read_decisions, read_outcomes
from assay.store.shards import read_shard

ARTIFACT = "artifact.json"
Job = TypeVar("Job")
Result = TypeVar("Result")
Counts = TypeVar("Counts", bound=ShardCounts)
Component = TypeVar("Component")


@dataclass
class RunContext:
    """State of one run, from which a stage reads the output of the stages before it.

    Samples and outcomes of a completed stage are decoded at most once.
    """

    recipe: Recipe
    models: Models
    engine: Engine
    reporter: Reporter = field(default_factory=SilentReporter)
    strict: bool = False
    """Whether the run stops before training if held-out samples are among the training samples."""
    receipts: dict[StageId, Receipt] = field(default_factory=dict)
    """Receipts of the stages that are complete."""
    folders: dict[StageId, Path] = field(default_factory=dict)
    _rows: dict[StageId, list[Made]] = field(default_factory=dict)
    _outcomes: dict[StageId, list[tuple[str, Outcome]]] = field(default_factory=dict)

    def rows(self, stage: StageId) -> list[Made]:
        """Samples and failures in the folder of a completed stage, in order."""
        if stage not in self._rows:
            self._rows[stage] = [row for path in parts(self.folders[stage]) for row in read_shard(path)]
        return self._rows[stage]

    def samples(self, stage: StageId) -> list[Sample]:
        """Samples in the folder of a completed stage, in order."""
        return [row for row in self.rows(stage) if isinstance(row, Sample)]

    def outcomes(self, stage: StageId) -> list[tuple[str, Outcome]]:
        """(sample id, outcome) of every sample that a completed stage scored, in order."""
        if stage not in self._outcomes:
            self._outcomes[stage] = outcomes_of(self.folders[stage])
        return self._outcomes[stage]

    def kept_ids(self) -> set[str]:
        """Ids of the samples that passed every filter."""
        return kept_ids(self.folders[KEEP])

    def artifact(self, stage: StageId) -> Artifact:
        """The model that a completed stage trained."""
        return read_artifact(self.folders[stage])

    def bind(self, component: Component) -> Component:
        """The component with each `trained:NAME` replaced by the folder of that model."""
        return replace_references(
            component, {name: self.artifact(model_id(name)).path for name in referenced_models(component)}
        )

    def map(self, work: Work[Job, Counts], jobs: Sequence[Job], stage: StageId, total: int, done: int) -> list[Counts]:
        """Run `work` on every job and report progress.

        Args:
            work: Picklable function of one job.
            jobs: Jobs to do.
            stage: Stage that progress is reported for.
            total: Rows of the stage.
            done: Rows that an earlier run completed.
        """
        self.reporter.begin(str(stage), total, done)
        results = []
        for counts in map_by_round(self.engine, work, jobs):
            results.append(counts)
            done += counts.rows
            self.reporter.advance(done, total)
        return results


def map_by_round(engine: Engine, work: Work[Job, Result], jobs: Sequence[Job]) -> Iterator[Result]:
    """Run `work` on every job, starting a job after all jobs of earlier rounds: those with a shorter `before`."""
    for _, group in groupby(jobs, key=lambda job: getattr(job, "before", ())):
        yield from engine.map(work, list(group))


def kept_ids(folder: Path) -> set[str]:
    """Ids of the samples that passed every filter, from the folder of the keep stage."""
    return {row.id for row in read_decisions(folder / "decisions.parquet") if row.keep}


def outcomes_of(folder: Path) -> list[tuple[str, Outcome]]:
    """(sample id, outcome) of every sample scored in a stage's folder, in order."""
    return [row for path in parts(folder) for row in read_outcomes(path)]


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Write the description of a trained model into the folder of its stage."""
    write_bytes(folder / ARTIFACT, msgspec.json.format(msgspec.json.encode(artifact, order="sorted")))


def read_artifact(folder: Path) -> Artifact:
    """The trained model in the folder of a stage, with an absolute path."""
    artifact = msgspec.json.decode((folder / ARTIFACT).read_bytes(), type=Artifact)
    return replace(artifact, path=artifact.reference or str((folder / artifact.path).absolute()))


def count_fresh(counts: Sequence[ShardCounts]) -> int:
    """Number of rows that this run made."""
    return sum(shard.fresh for shard in counts)
