"""Accuracy of a text classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.evaluators.outcomes import label_outcome
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import FRACTION_CORRECT_UNIT, Outcome, Scale


@dataclass(frozen=True)
class TextAccuracy:
    """1 if the most probable label of a text is the true one, else 0; otherwise as `Accuracy`."""

    label: str = "label"
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit=FRACTION_CORRECT_UNIT, low=0.0, high=1.0)

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        model = lab.models.text_classifier(artifact.path)
        rows = model.logits([sample.text(self.text) for sample in holdout])
        known = list(model.labels)
        return [label_outcome(sample.text(self.label), known, row) for sample, row in zip(holdout, rows, strict=True)]
