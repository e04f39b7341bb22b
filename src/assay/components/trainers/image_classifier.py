"""An image classifier: a ResNet-18 from nothing, or any checkpoint with a new head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.trainers.classifier_loop import Recipe, begin, fit, prepare, save
from assay.components.trainers.labels import digest_of, targets_of
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample

READ_AT_ONCE = 1000
"""Images decoded at a time; what is kept of them has the size that the model wants."""


@dataclass(frozen=True)
class ImageClassifier:
    """Trains for exactly `steps` steps of `batch` images and keeps the last weights: nothing is picked on any data.

    However few the samples, each step sees a full batch: one epoch runs on into the next. The same samples in the same
    order with the same `lab.seed` give the same weights on one machine. Leaves in `lab.workspace()`: `model/`, a folder
    that transformers' AutoModelForImageClassification and AutoImageProcessor load, and `history.json`, rows of
    [step, loss, rate].
    """

    labels: tuple[str, ...]
    start: str = "random"
    """A ResNet-18 with random weights, or the reference of a checkpoint whose head is replaced."""
    steps: int = 300
    batch: int = 128
    rate: float = 2e-3
    """Peak of the one-cycle schedule of AdamW's learning rate."""
    freeze: bool = False
    """Train the new head only; the body keeps its weights and its batch-norm statistics."""
    size: int | None = None
    """Side of the square images in pixels; where None, 32 for a random start, else the checkpoint's own."""
    crop: float = 0.0625
    """Augmentation: how far an image may be moved each way, as a share of `size`; black comes in."""
    flip: bool = True
    """Augmentation: mirror half of the images."""
    smoothing: float = 0.0
    """Label smoothing (Szegedy et al. 2016, section 7)."""
    decay: float = 0.02
    """Weight decay."""
    label: str = "label"
    image: str = "image"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"ImageClassifier.labels must be two or more different labels, was {self.labels!r}.")
        if self.freeze and self.start == "random":
            raise ValueError(
                "ImageClassifier.freeze must be false for a random start, was true: nothing is learned yet."
            )
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"ImageClassifier.{name} must be between {low:g} and {high:g}, was {value:g}.")

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Looks, before anything is generated, whether `labels` has every label that will come.

        Raises:
            FieldError: It lacks one.
        """
        self._targets([seed for seed in seeds if self.label in seed.fields] or seeds)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        import torch

        targets = self._targets(samples)
        recipe = Recipe(self.steps, self.batch, self.rate, self.decay, self.smoothing, self.crop, self.flip)
        with torch.random.fork_rng():
            torch.manual_seed(lab.seed)
            start = begin(self.start, self.labels, self.size, freeze=self.freeze)
            parts = [samples[i : i + READ_AT_ONCE] for i in range(0, len(samples), READ_AT_ONCE)]
            pixels = torch.cat([prepare(lab.pixels(part, self.image), start) for part in parts])
            history = fit(start, pixels, torch.tensor(targets), recipe, lab)
        folder = lab.workspace() / "model"
        save(start, folder)
        (lab.workspace() / "history.json").write_text(json.dumps(history), encoding="utf-8")
        last = [loss for _, loss, _ in history[-20:]]
        facts = {"steps": len(history), "samples": len(samples), "seen": len(history) * self.batch}
        return Artifact(
            str(folder), "image-classifier", digest_of(folder), {**facts, "last loss": sum(last) / len(last)}
        )

    def _targets(self, samples: Sequence[Sample]) -> list[int]:
        return targets_of("ImageClassifier", self.labels, self.label, samples)


_BOUNDS = (
    ("steps", 1, 10**9),
    ("batch", 2, 10**6),  # batch norm needs two
    ("rate", 1e-12, 1e3),
    ("size", 8, 4096),
    ("crop", 0.0, 0.5),
    ("smoothing", 0.0, 0.999),
    ("decay", 0.0, 1e3),
)
