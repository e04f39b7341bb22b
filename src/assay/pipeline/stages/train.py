"""The stages of a run that train: the arms of its proof, and the models that it needs on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assay.core.arms import OWN, is_base, is_curve
from assay.core.lab import Lab
from assay.core.roles import Artifact, StartsFromModel, Trainer
from assay.core.sample import Failure, Sample
from assay.models.model_cards import CARD
from assay.pipeline.lineage.trained_card import card_for
from assay.pipeline.plan import MODEL, TAUGHT, Placed
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
from assay.pipeline.stages.shards import TrainArm, TrainShard, parts, samples_of
from assay.pipeline.stages.workshop import ARTIFACT, Workshop, kept_ids, outcomes_of, read_artifact, write_artifact
from assay.store.atomic import write_bytes
from assay.store.export.cards import model_card_text
from assay.store.images import StoredImages
from assay.store.shards import read_samples

NOTES = ("history.json", "curves.json", "held-out.json", "held-out-rewards.json")
"""What a trainer may note of a training, beside the model."""


class Training(Workshop):
    """What `Runner` does to train."""

    def _train(self, placed: Placed) -> dict[str, int]:
        arm, nth = str(placed.stage.spec["arm"]), int(placed.stage.spec["nth"])
        trainer = self.recipe.trainer(arm)
        if is_base(arm):
            return self._start(placed, trainer)
        if not is_curve(arm) and (name := self._proof.arm(arm)).kind == OWN:
            return self._again(placed, f"{MODEL}{name.variant}")
        material = self._material(placed.stage.needs, trainer)
        chosen = samples_for(arm, material, self._proof, self.recipe.seed)
        places = tuple(self.folders[name] for name in ("generate", "real") if name in placed.stage.needs)
        counts = self._learn(placed, trainer, chosen, places, nth)
        return counts | {"synthetic": synthetic_in(chosen, material)} | _told(material.unusable)

    def _learn(
        self, placed: Placed, trainer: Trainer, chosen: Sequence[Sample], places: tuple[Path, ...], nth: int = 0
    ) -> dict[str, int]:
        inline = getattr(self.engine, "workers", 0) == 1
        work = TrainArm(self._with_models(trainer), self.models, places, self.reporter.advance if inline else None)
        shard = TrainShard(placed.folder, tuple(chosen), training_seed(self.recipe.seed, nth))
        self.reporter.begin(placed.stage.name, 1, 0)
        (artifact,) = self.engine.map(work, [shard])
        write_artifact(placed.folder, artifact)
        return {"samples": len(chosen), "steps": int(artifact.facts.get("steps", 0))}

    def _model(self, placed: Placed) -> dict[str, int]:
        """One of the recipe's own models."""
        own = self.recipe.models[name := placed.stage.name.removeprefix(MODEL)]
        source = "generate" if own.data is None else f"{TAUGHT}{name}"
        ids = kept_ids(self.folders["keep"]) if own.data is None else None
        there = [sample for sample in samples_of(self.folders[source]) if ids is None or sample.id in ids]
        chosen = usable(own.train, there)
        if there and not chosen:
            raise none_usable(f"The model {name!r}", len(there))
        counts = self._learn(placed, own.train, chosen, (self.folders[source],))
        made = sum(sample.synthetic for sample in chosen)
        return counts | {"synthetic": made} | _told(len(there) - len(chosen))

    def _describe(self, placed: Placed) -> None:
        """Puts a card beside a model that was trained, where none lies there.

        It is written when the receipt is, and is in none: a card is there to be edited, and an edited one must not make
        the training again.
        """
        if not (placed.folder / ARTIFACT).is_file():
            return
        folder = Path((artifact := read_artifact(placed.folder)).path)
        if folder.is_dir() and placed.folder in folder.parents and not (folder / CARD).exists():
            card = card_for(self.recipe, placed.stage, self.receipts[placed.stage.name], artifact.kind)
            write_bytes(folder / CARD, model_card_text(card).encode())

    def _start(self, placed: Placed, trainer: Trainer) -> dict[str, int]:
        """The model that the others start from, which is not trained."""
        lab = Lab(self.recipe.seed, self.models, StoredImages([]))
        assert isinstance(trainer, StartsFromModel), "checked when the recipe was read"
        self.reporter.begin(placed.stage.name, 1, 1)
        first = root(self.recipe, trainer.base(lab), lab)
        write_artifact(placed.folder, Artifact("", "text-model", "", {"steps": 0}, first))
        return {"samples": 0, "steps": 0}

    def _again(self, placed: Placed, stage: str) -> dict[str, int]:
        """One of the recipe's own models as an arm: it lies where it was trained, and its notes are copied here."""
        there = self.folders[stage]
        artifact = read_artifact(there)
        self.reporter.begin(placed.stage.name, 1, 1)
        for name in NOTES:
            if (there / name).is_file():
                write_bytes(placed.folder / name, (there / name).read_bytes())
        path = Path("..", there.name, Path(artifact.path).relative_to(there.absolute()))
        write_artifact(placed.folder, replace(artifact, path=path.as_posix()))
        return {name: self.receipts[stage].counts[name] for name in ("samples", "steps")}

    def _material(self, needs: Sequence[str], trainer: Trainer) -> Material:
        """What a training may choose from: of the stages it needs, and of no other."""
        made = samples_of(self.folders["generate"]) if "generate" in needs else []
        generated = usable(trainer, made)
        ids = kept_ids(self.folders["keep"]) if "keep" in needs else set()
        kept = [sample for sample in generated if sample.id in ids]
        unusable = sum(sample.id in ids for sample in made) - len(kept)
        found = Material(
            generated,
            kept,
            usable(trainer, samples_of(self.folders["real"]) if "real" in needs else []),
            unusable=unusable,
            dropped=len(made) - len(generated) - unusable,
            lacking=self._lacking() if "generate" in needs and not made else "",
        )
        if "embed-real" not in needs:
            return found
        column = next(name for name in needs if name.startswith("score-"))
        looks, theirs = (dict(outcomes_of(self.folders[name])) for name in (column, "embed-real"))
        return replace(found, nearest=nearest_of(kept, looks, found.real, theirs))

    def _lacking(self) -> str:
        """Why nothing was made."""
        rows = [row for path in parts(self.folders["generate"]) for row in read_samples(path)]
        lost = [row for row in rows if isinstance(row, Failure)]
        return f"all {len(lost)} that were to be made failed, the first by: {lost[0].reason}" if lost else ""


def _told(unusable: int) -> dict[str, int]:
    """How many samples were kept that the trainer cannot learn from, where there are any."""
    return {"unusable": unusable} if unusable else {}
