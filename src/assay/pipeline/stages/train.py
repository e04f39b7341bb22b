"""Stages that train: the arms of the proof, and the recipe's own models."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.recipe import OwnModel, Proof
from assay.core.roles import Artifact, StartsFromModel, Trainer
from assay.core.sample import Failure, Sample
from assay.models.model_cards import CARD
from assay.pipeline.lineage.trained_card import card_for
from assay.pipeline.memory import training_memory
from assay.pipeline.recipe.references import root_model
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.arms import (
    ArmData,
    count_synthetic,
    nearest_real_samples,
    no_usable_samples,
    samples_for,
    training_seed,
    usable_samples,
)
from assay.pipeline.stages.context import ARTIFACT, RunContext, read_artifact, write_artifact
from assay.pipeline.stages.stage import GENERATE, KEEP, REAL, Stage, StageId, embed_id, model_id, score_id
from assay.store.atomic import disk_errors, write_bytes
from assay.store.export.cards import model_card_text
from assay.store.images import StoredImages

NOTES = ("history.json", "curves.json", "held-out.json", "held-out-rewards.json")
"""Files about a training that a trainer may write next to the model."""
MODEL = "model"
"""Subfolder of the trained model."""


@dataclass(frozen=True)
class TrainingStage(Stage):
    """A stage that results in a model."""

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

    def _train(
        self, context: RunContext, folder: Path, samples: Sequence[Sample], sources: Sequence[StageId], nth: int
    ) -> dict[str, int]:
        """Train on `samples`, whose images are in the folders of `sources`."""
        inline = getattr(context.engine, "workers", 0) == 1
        folders = tuple(context.folders[source] for source in sources)
        progress = context.reporter.advance if inline else None
        work = TrainArm(context.bind(self.trained_by), context.models, folders, progress)
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
        chosen = usable_samples(self.model.train, samples)
        if samples and not chosen:
            raise no_usable_samples(f"The model {self.id.name!r}", len(samples))
        counts = self._train(context, folder, chosen, [self.source], 0)
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
        assert isinstance(self.trainer, StartsFromModel), "checked when the recipe is parsed"
        context.reporter.begin(self.name, 1, 1)
        start = root_model(context.recipe, self.trainer.base(lab), lab)
        write_artifact(folder, Artifact("", "text-model", "", {"steps": 0}, start))
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
        data = self._data(context)
        chosen = samples_for(self.id.name, data, self.proof, self.seed)
        sources = [source for source in (GENERATE, REAL) if source in self.needs]
        counts = self._train(context, folder, chosen, sources, self.id.nth or 0)
        return counts | {"synthetic": count_synthetic(chosen, data)} | _unusable_count(data.unusable)

    def _data(self, context: RunContext) -> ArmData:
        """Samples that the arm may choose from: the output of the stages that it needs."""
        samples = context.samples(GENERATE) if GENERATE in self.needs else []
        generated = usable_samples(self.trainer, samples)
        ids = context.kept_ids() if KEEP in self.needs else set()
        kept = [sample for sample in generated if sample.id in ids]
        unusable = sum(sample.id in ids for sample in samples) - len(kept)
        data = ArmData(
            generated,
            kept,
            usable_samples(self.trainer, context.samples(REAL) if REAL in self.needs else []),
            unusable=unusable,
            dropped=len(samples) - len(generated) - unusable,
            generation_error=_generation_error(context) if GENERATE in self.needs and not samples else "",
        )
        if embed_id(REAL) not in self.needs:
            return data
        generated_prints = dict(context.outcomes(score_id(self.proof.fingerprint)))
        real_prints = dict(context.outcomes(embed_id(REAL)))
        return replace(data, nearest=nearest_real_samples(kept, generated_prints, data.real, real_prints))


@dataclass(frozen=True)
class TrainShard:
    """One training."""

    folder: Path
    samples: tuple[Sample, ...]
    seed: int


@dataclass(frozen=True)
class TrainArm:
    """Trains one model."""

    component: Trainer
    models: Models
    image_folders: tuple[Path, ...]
    progress: Callable[[int, int], None] | None = None

    def __call__(self, shard: TrainShard, /) -> Artifact:
        images = StoredImages(self.image_folders)
        lab = Lab(shard.seed, self.models, images, folder=shard.folder, progress=self.progress)
        # An interrupted training may have left temporary files, which would be counted among the model's.
        shutil.rmtree(shard.folder / MODEL, ignore_errors=True)
        with training_memory(), full_disk_as_store_error(shard.folder):
            artifact = self.component.train(shard.samples, lab)
        return replace(artifact, path=Path(artifact.path).relative_to(shard.folder).as_posix())


@contextmanager
def full_disk_as_store_error(folder: Path) -> Iterator[None]:
    """Raise the store's error for a full disk, whatever error a library raises for it."""
    try:
        yield
    except Exception as error:
        full = os.strerror(errno.ENOSPC)
        if getattr(error, "errno", None) == errno.ENOSPC or full in str(error):
            with disk_errors(folder):
                raise OSError(errno.ENOSPC, full) from error
        raise


def _generation_error(context: RunContext) -> str:
    """Why no sample was generated."""
    failures = [row for row in context.rows(GENERATE) if isinstance(row, Failure)]
    return f"all {len(failures)} samples failed to generate; the first error: {failures[0].reason}" if failures else ""


def _unusable_count(unusable: int) -> dict[str, int]:
    """Count of kept samples that the trainer cannot learn from, where there are any."""
    return {"unusable": unusable} if unusable else {}
