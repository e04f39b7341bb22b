"""Image classifier: a ResNet-18 with random weights, or any checkpoint with a new head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.trainers.checks import label_indices, weights_digest
from assay.components.trainers.classifier_loop import Hyperparameters, fit, load_network, preprocess, save_network
from assay.components.trainers.training_run import final_loss, write_history
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample

READ_AT_ONCE = 1000
"""Images decoded at a time, before they are resized."""


@dataclass(frozen=True)
class ImageClassifier:
    """Train for exactly `steps` steps of `batch_size` images and keep the last weights; there is no model selection.

    Every step sees a full batch: epochs follow each other without a break. The same samples in the same order with the
    same `lab.seed` give the same weights on one machine. Files in `lab.workspace()`: `model/`, loadable by
    transformers' AutoModelForImageClassification and AutoImageProcessor, and `history.json`, rows of [step, loss,
    learning rate].
    """

    labels: tuple[str, ...]
    start: str = "random"
    """`random` for a ResNet-18 with random weights, or the reference of a checkpoint whose head is replaced."""
    steps: int = 300
    batch_size: int = 128
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW in the one-cycle schedule."""
    freeze: bool = False
    """Train only the new head; the body keeps its weights and batch-norm statistics."""
    size: int | None = None
    """Image size in pixels; None for 32 with random weights, or the checkpoint's size."""
    crop: float = 0.0625
    """Augmentation: padding of the random crop as a fraction of `size`; padded pixels are black."""
    flip: bool = True
    """Augmentation: random horizontal flip."""
    label_smoothing: float = 0.0
    """Szegedy et al. 2016, section 7."""
    weight_decay: float = 0.02
    label: str = "label"
    image: str = "image"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"ImageClassifier.labels must be two or more different labels, was {self.labels!r}.")
        if self.freeze and self.start == "random":
            raise ValueError("ImageClassifier.freeze must be false with random weights, was true.")
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"ImageClassifier.{name} must be between {low:g} and {high:g}, was {value:g}.")

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Preflight: check that `labels` has the labels of all seeds.

        Raises:
            FieldError: A label is missing.
        """
        self._targets([seed for seed in seeds if self.label in seed.fields] or seeds)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        import torch

        targets = self._targets(samples)
        settings = Hyperparameters(
            self.steps,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            self.label_smoothing,
            self.crop,
            self.flip,
        )
        with torch.random.fork_rng():
            torch.manual_seed(lab.seed)
            network = load_network(self.start, self.labels, self.size, freeze=self.freeze)
            parts = [samples[i : i + READ_AT_ONCE] for i in range(0, len(samples), READ_AT_ONCE)]
            pixels = torch.cat([preprocess(lab.pixels(part, self.image), network) for part in parts])
            history = fit(network, pixels, torch.tensor(targets), settings, lab)
        folder = lab.workspace() / "model"
        save_network(network, folder)
        write_history(lab.workspace(), history)
        samples_seen = len(history) * self.batch_size
        facts = {"steps": len(history), "samples": len(samples), "seen": samples_seen, "last loss": final_loss(history)}
        return Artifact(str(folder), "image-classifier", weights_digest(folder), facts)

    def _targets(self, samples: Sequence[Sample]) -> list[int]:
        return label_indices("ImageClassifier", self.labels, self.label, samples)


_BOUNDS = (
    ("steps", 1, 10**9),
    ("batch_size", 2, 10**6),  # batch norm needs two
    ("learning_rate", 1e-12, 1e3),
    ("size", 8, 4096),
    ("crop", 0.0, 0.5),
    ("label_smoothing", 0.0, 0.999),
    ("weight_decay", 0.0, 1e3),
)
