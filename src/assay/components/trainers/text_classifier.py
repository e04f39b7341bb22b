"""Text classifier: a linear head on the embeddings of a frozen sentence encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.components.trainers.checks import label_indices, weights_digest
from assay.components.trainers.classifier_loop import batches, one_cycle
from assay.components.trainers.training_run import final_loss, write_history
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.model_kinds import Matrix
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.text.classifiers import save_head


@dataclass(frozen=True)
class TextClassifier:
    """Train multinomial logistic regression for exactly `steps` steps of `batch_size` texts and keep the last weights.

    Every step sees a full batch: epochs follow each other without a break. The same samples in the same order with the
    same `lab.seed` give the same weights on one machine. Files in `lab.workspace()`: `model/`, loadable by
    `lab.models.text_classifier` (config.json names the encoder, head.safetensors holds weight and bias), and
    `history.json`, rows of [step, loss, learning rate].
    """

    labels: tuple[str, ...]
    encoder: str = "embedded:minilm"
    """Reference of a sentence encoder, which is not trained."""
    steps: int = 300
    batch_size: int = 64
    learning_rate: float = 0.5
    """Peak learning rate of Adam in the one-cycle schedule."""
    weight_decay: float = 1e-3
    """L2 penalty: weight of half the squared norm of the weights in the loss."""
    label: str = "label"
    text: str = "text"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"TextClassifier.labels must be two or more different labels, was {self.labels!r}.")
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"TextClassifier.{name} must be between {low:g} and {high:g}, was {value:g}.")

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Preflight: check that `labels` has the labels of all seeds.

        Raises:
            FieldError: A label is missing.
        """
        self._targets([seed for seed in seeds if self.label in seed.fields] or seeds)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        targets = self._targets(samples)
        rows = lab.models.embedder(self.encoder).embed([sample.text(self.text) for sample in samples])
        weight, bias, history = self._fit(rows, targets, lab)
        folder = lab.workspace() / "model"
        save_head(folder, self.encoder, self.labels, weight, bias)
        write_history(lab.workspace(), history)
        samples_seen = len(history) * self.batch_size
        facts = {"steps": len(history), "samples": len(samples), "seen": samples_seen, "last loss": final_loss(history)}
        return Artifact(str(folder), "text-classifier", weights_digest(folder), facts)

    def _targets(self, samples: Sequence[Sample]) -> list[int]:
        return label_indices("TextClassifier", self.labels, self.label, samples)

    def _fit(
        self, rows: Matrix, targets: Sequence[int], lab: Lab
    ) -> tuple[Matrix, Matrix, list[tuple[int, float, float]]]:
        """Weight, bias and rows of (step, loss, learning rate)."""
        import torch

        inputs, classes = torch.from_numpy(np.ascontiguousarray(rows)), torch.tensor(targets)
        weight = torch.zeros(len(self.labels), rows.shape[1], requires_grad=True)
        bias = torch.zeros(len(self.labels), requires_grad=True)
        optimizer = torch.optim.Adam([weight, bias], lr=self.learning_rate)
        history = []
        for step, places in enumerate(batches(len(targets), self.batch_size, self.steps, lab.seed)):
            rate = one_cycle(step, self.steps, self.learning_rate)
            optimizer.param_groups[0]["lr"] = rate
            logits = inputs[places] @ weight.T + bias
            loss: Any = (
                torch.nn.functional.cross_entropy(logits, classes[places]) + self.weight_decay / 2 * (weight**2).sum()
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if not math.isfinite(value := loss.item()):
                hint = "A lower learning rate may help."
                raise RecipeError(f"The loss was {value} at step {step + 1}.", hint=hint, step=step + 1, loss=value)
            history.append((step + 1, value, rate))
            if lab.progress is not None:
                lab.progress(step + 1, self.steps)
        return weight.detach().numpy(), bias.detach().numpy(), history


_BOUNDS = (
    ("steps", 1, 10**9),
    ("batch_size", 1, 10**6),
    ("learning_rate", 1e-12, 1e3),
    ("weight_decay", 0.0, 1e3),
)
