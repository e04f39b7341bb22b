"""Stages that train: the arms of the proof, and the recipe's own models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.lab import Lab
from assay.core.recipe import OwnModel, Proof
from assay.core.roles import Artifact, StartsFromModel, Trainer
from assay.core.sample import Failure, Sample
from assay.models.model_cards import CARD
from assay.pipeline.lineage.trained_card import card_for
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.recipe.trained import root
from assay.pipeline.stages.arms import (
    Material,
    nearest_of,
    none_usable,
    samples_for,
    synthetic_in,
    training_seed,
    usable,
)
from assay.pipeline.stages.context import ARTIFACT, RunContext, read_artifact, write_artifact
from assay.pipeline.stages.shards import TrainArm, TrainShard
from assay.pipeline.stages.stage import GENERATE, KEEP, REAL, Stage, StageId, embed_id, model_id, score_id
from assay.store.atomic import write_bytes
from assay.store.export.model_card import model_card_text
from assay.store.images import StoredImages

NOTES = ("history.json", "curves.json", "held-out.json", "held-out-rewards.json")
"""Files about a training that a trainer may write next to the model."""


@dataclass(frozen=True)
class TrainingStage(Stage):
    """A stage that leaves a model."""

    @property
    def trained_by(self) -> Trainer:
        """The trainer of the model."""
        raise NotImplementedError

    @property
    def version(self) -> int:
        return version_of(self.trained_by)

    def finish(self, context: RunContext, folder: Path) -> None:
        """Write a model card next to a trained model that has none.

        The card is in no receipt: users edit it, and an edited card must not repeat the training.
        """
        if not (folder / ARTIFACT).is_file():
            return
        model = Path((artifact := read_artifact(folder)).path)
        if model.is_dir() and folder in model.parents and not (model / CARD).exists():
            card = card_for(context.recipe, self, context.receipts[self.id], artifact.kind)
            write_bytes(model / CARD, model_card_text(card).encode())

    def _learn(
        self, context: RunContext, folder: Path, samples: Sequence[Sample], sources: Sequence[StageId], nth: int
    ) -> dict[str, int]:
        """Train on `samples`, whose images are in the folders of `sources`."""
        inline = getattr(context.engine, "workers", 0) == 1
        places = tuple(context.folders[source] for source in sources)
        progress = context.reporter.advance if inline else None
        work = TrainArm(context.bind(self.trained_by), context.models, places, progress)
        shard = TrainShard(folder, tuple(samples), training_seed(context.recipe.seed, nth))
        context.reporter.begin(self.name, 1, 0)
        (artifact,) = context.engine.map(work, [shard])
        write_artifact(folder, artifact)
        return {"samples": len(samples), "steps": int(artifact.facts.get("steps", 0))}


@dataclass(frozen=True)
class TrainModelStage(TrainingStage):
    """Trains one of the recipe's own models."""

    model: OwnModel
    source: StageId
    """Stage with its training data."""

    @property
    def trained_by(self) -> Trainer:
        return self.model.train

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return {"train": describe(self.model.train)}

    @property
    def components(self) -> tuple[object, ...]:
        return (self.model.train,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        samples = context.samples(self.source)
        if self.source == GENERATE:
            ids = context.kept_ids()
            samples = [sample for sample in samples if sample.id in ids]
        chosen = usable(self.model.train, samples)
        if samples and not chosen:
            raise none_usable(f"The model {self.id.name!r}", len(samples))
        counts = self._learn(context, folder, chosen, [self.source], 0)
        synthetic = sum(sample.synthetic for sample in chosen)
        return counts | {"synthetic": synthetic} | _unusable_count(len(samples) - len(chosen))


@dataclass(frozen=True)
class ArmStage(TrainingStage):
    """The nth model of an arm; `id` holds the arm's name and the number."""

    trainer: Trainer
    proof: Proof

    @property
    def trained_by(self) -> Trainer:
        return self.trainer

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        arm = self.id.name
        few = {"few": self.proof.few} if arm in ("real-few-shot", "real+synthetic") else {}
        train = describe(self.trainer)
        return {"train": train, "arm": arm, "nth": self.id.nth, "equal": self.proof.equal, **few}


@dataclass(frozen=True)
class BaseModelStage(ArmStage):
    """The arm `base`: the model that the others start from, which is not trained."""

    @property
    def components(self) -> tuple[object, ...]:
        return (self.trainer,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        lab = Lab(context.recipe.seed, context.models, StoredImages([]))
        assert isinstance(self.trainer, StartsFromModel), "checked when the recipe was read"
        context.reporter.begin(self.name, 1, 1)
        first = root(context.recipe, self.trainer.base(lab), lab)
        write_artifact(folder, Artifact("", "text-model", "", {"steps": 0}, first))
        return {"samples": 0, "steps": 0}


@dataclass(frozen=True)
class OwnModelStage(ArmStage):
    """One of the recipe's own models as an arm: refers to the model and copies the notes of its training."""

    model: str

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        stage = model_id(self.model)
        source = context.folders[stage]
        artifact = context.artifact(stage)
        context.reporter.begin(self.name, 1, 1)
        for name in NOTES:
            if (source / name).is_file():
                write_bytes(folder / name, (source / name).read_bytes())
        path = Path("..", source.name, Path(artifact.path).relative_to(source.absolute()))
        write_artifact(folder, replace(artifact, path=path.as_posix()))
        return {name: context.receipts[stage].counts[name] for name in ("samples", "steps")}


@dataclass(frozen=True)
class TrainArmStage(ArmStage):
    """Trains an arm on its samples."""

    @property
    def components(self) -> tuple[object, ...]:
        return (self.trainer,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        material = self._material(context)
        chosen = samples_for(self.id.name, material, self.proof, self.seed)
        sources = [source for source in (GENERATE, REAL) if source in self.needs]
        counts = self._learn(context, folder, chosen, sources, self.id.nth or 0)
        return counts | {"synthetic": synthetic_in(chosen, material)} | _unusable_count(material.unusable)

    def _material(self, context: RunContext) -> Material:
        """Samples that the arm may choose from: the output of the stages that it needs."""
        made = context.samples(GENERATE) if GENERATE in self.needs else []
        generated = usable(self.trainer, made)
        ids = context.kept_ids() if KEEP in self.needs else set()
        kept = [sample for sample in generated if sample.id in ids]
        unusable = sum(sample.id in ids for sample in made) - len(kept)
        material = Material(
            generated,
            kept,
            usable(self.trainer, context.samples(REAL) if REAL in self.needs else []),
            unusable=unusable,
            dropped=len(made) - len(generated) - unusable,
            lacking=_why_none(context) if GENERATE in self.needs and not made else "",
        )
        if embed_id(REAL) not in self.needs:
            return material
        ours, theirs = (dict(context.outcomes(stage)) for stage in (score_id(self.proof.fingerprint), embed_id(REAL)))
        return replace(material, nearest=nearest_of(kept, ours, material.real, theirs))


def _why_none(context: RunContext) -> str:
    """Why nothing was generated."""
    failures = [row for row in context.made(GENERATE) if isinstance(row, Failure)]
    return f"all {len(failures)} samples failed to generate, the first with: {failures[0].reason}" if failures else ""


def _unusable_count(unusable: int) -> dict[str, int]:
    """Count of kept samples that the trainer cannot learn from, where there are any."""
    return {"unusable": unusable} if unusable else {}
