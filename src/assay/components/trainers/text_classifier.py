"""A text classifier: a linear head on the embeddings of a sentence encoder that stays as it is."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.components.trainers.classifier_loop import batches, one_cycle
from assay.components.trainers.labels import digest_of, targets_of
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.model_kinds import Matrix
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.text.classifier import save_head


@dataclass(frozen=True)
class TextClassifier:
    """Trains multinomial logistic regression by exactly `steps` steps of `batch` texts and keeps the last weights.

    However few the samples, each step sees a full batch: one epoch runs on into the next. The same samples in the same
    order with the same `lab.seed` give the same weights on one machine. Leaves in `lab.workspace()`: `model/`, a folder
    that `lab.models.text_classifier` opens (config.json names the encoder, head.safetensors holds weight and bias), and
    `history.json`, rows of [step, loss, rate].
    """

    labels: tuple[str, ...]
    encoder: str = "embedded:minilm"
    """Reference of a sentence encoder; its weights are not trained."""
    steps: int = 300
    batch: int = 64
    rate: float = 0.5
    """Peak of the one-cycle schedule of the learning rate, which is Adam's."""
    decay: float = 1e-3
    """Weight of half the squared length of the weights in the loss."""
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
        """Looks, before anything is generated, whether `labels` has every label that will come.

        Raises:
            FieldError: It lacks one.
        """
        self._targets([seed for seed in seeds if self.label in seed.fields] or seeds)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        targets = self._targets(samples)
        rows = lab.models.embedder(self.encoder).embed([sample.text(self.text) for sample in samples])
        weight, bias, history = self._fit(rows, targets, lab)
        folder = lab.workspace() / "model"
        save_head(folder, self.encoder, self.labels, weight, bias)
        (lab.workspace() / "history.json").write_text(json.dumps(history), encoding="utf-8")
        last = [loss for _, loss, _ in history[-20:]]
        facts = {"steps": len(history), "samples": len(samples), "seen": len(history) * self.batch}
        return Artifact(
            str(folder), "text-classifier", digest_of(folder), {**facts, "last loss": sum(last) / len(last)}
        )

    def _targets(self, samples: Sequence[Sample]) -> list[int]:
        return targets_of("TextClassifier", self.labels, self.label, samples)

    def _fit(
        self, rows: Matrix, targets: Sequence[int], lab: Lab
    ) -> tuple[Matrix, Matrix, list[tuple[int, float, float]]]:
        """Weight, bias and rows of (step, loss, rate)."""
        import torch

        inputs, wanted = torch.from_numpy(np.ascontiguousarray(rows)), torch.tensor(targets)
        weight = torch.zeros(len(self.labels), rows.shape[1], requires_grad=True)
        bias = torch.zeros(len(self.labels), requires_grad=True)
        optimizer = torch.optim.Adam([weight, bias], lr=self.rate)
        history = []
        for step, chosen in enumerate(batches(len(targets), self.batch, self.steps, lab.seed)):
            rate = one_cycle(step, self.steps, self.rate)
            optimizer.param_groups[0]["lr"] = rate
            logits = inputs[chosen] @ weight.T + bias
            loss: Any = torch.nn.functional.cross_entropy(logits, wanted[chosen]) + self.decay / 2 * (weight**2).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if not math.isfinite(value := loss.item()):
                raise RecipeError(f"The loss was {value} at step {step + 1}.", hint="A lower rate may help.")
            history.append((step + 1, value, rate))
            if lab.progress is not None:
                lab.progress(step + 1, self.steps)
        return weight.detach().numpy(), bias.detach().numpy(), history


_BOUNDS = (
    ("steps", 1, 10**9),
    ("batch", 1, 10**6),
    ("rate", 1e-12, 1e3),
    ("decay", 0.0, 1e3),
)
