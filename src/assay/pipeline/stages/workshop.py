"""What the stages of a run share: the recipe, its folder, what to work with, and the receipts of what is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from assay.core.lab import Models
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Artifact, Engine, Scorer, Work
from assay.core.score import Outcome
from assay.models.remote.budget import Budget
from assay.pipeline.plan import MODEL, Placed
from assay.pipeline.progress import Reporter, Silent
from assay.pipeline.recipe.trained import bound, named
from assay.pipeline.stages.rounds import InRounds
from assay.pipeline.stages.score_whole import ScoreWhole, is_whole
from assay.pipeline.stages.shards import ReadSource, ScorePart, ScoreShard, Tally, failed, parts, readable
from assay.store.atomic import write_bytes
from assay.store.receipts import Receipt
from assay.store.rows import read_decisions, read_outcomes
from assay.store.run_folder import RunFolder

ARTIFACT = "artifact.json"
Job = TypeVar("Job")
Told = TypeVar("Told", bound=Tally)
Component = TypeVar("Component")


@dataclass
class Workshop:
    """A recipe, its folder, and what to work with."""

    recipe: Recipe
    folder: RunFolder
    models: Models
    engine: Engine
    reporter: Reporter = field(default_factory=Silent)
    strict: bool = False
    """Whether a held-out sample that is trained on ends the run before anything is trained."""
    budget: Budget | None = None
    """Whose record says what a stage cost."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def _outcomes(self, placed: Placed, scorer: Scorer, shards: Sequence[ScoreShard], rows: int) -> dict[str, int]:
        before = {shard: readable(shard.target, read_outcomes) for shard in shards}
        todo = [shard for shard, old in before.items() if old is None or any(failed(outcome) for _, outcome in old)]
        if todo and is_whole(scorer):
            tallies = self._map(ScoreWhole(scorer, self.models, self.recipe.seed), [shards], placed, rows, 0)
            return {"rows": rows, "failed": sum(tally.failed for tally in tallies), "fresh": fresh(tallies)}
        there = sum(len(old or ()) for shard, old in before.items() if shard not in todo)
        tallies = self._map(ScorePart(scorer, self.models, self.recipe.seed), todo, placed, rows, there)
        return {"rows": rows, "failed": sum(tally.failed for tally in tallies), "fresh": fresh(tallies)}

    @property
    def _proof(self) -> Proof:
        """The proof, for the stages that only a recipe with one has."""
        assert self.recipe.prove is not None, "the plan of a recipe without a proof has none of its stages"
        return self.recipe.prove

    def _with_models(self, component: Component) -> Component:
        """The component with the folders of those of the recipe's own models that it names."""
        return bound(component, {name: read_artifact(self.folders[MODEL + name]).path for name in named(component)})

    def _read(self, placed: Placed, work: ReadSource) -> dict[str, int]:
        tallies = self._map(work, [placed.folder], placed, 1, 0)
        return {"rows": sum(tally.rows for tally in tallies)}

    def _map(self, work: Work[Job, Told], jobs: Sequence[Job], placed: Placed, total: int, there: int) -> list[Told]:
        self.reporter.begin(placed.stage.name, total, there)
        tallies = []
        for tally in InRounds(self.engine).map(work, jobs):
            tallies.append(tally)
            there += tally.rows
            self.reporter.advance(there, total)
        return tallies


def kept_ids(folder: Path) -> set[str]:
    """Ids of the samples that every filter kept."""
    return {row.id for row in read_decisions(folder / "decisions.parquet") if row.keep}


def outcomes_of(folder: Path) -> list[tuple[str, Outcome]]:
    """Id and outcome of every sample that was scored in a stage's folder, in order."""
    return [row for path in parts(folder) for row in read_outcomes(path)]


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Notes in `folder` what a trainer left there."""
    write_bytes(folder / ARTIFACT, msgspec.json.format(msgspec.json.encode(artifact, order="sorted")))


def read_artifact(folder: Path) -> Artifact:
    """What a trainer left in `folder`, its path made absolute."""
    artifact = msgspec.json.decode((folder / ARTIFACT).read_bytes(), type=Artifact)
    return replace(artifact, path=artifact.reference or str((folder / artifact.path).absolute()))


def fresh(tallies: Sequence[Tally]) -> int:
    """How many rows were made just now."""
    return sum(tally.fresh for tally in tallies)
