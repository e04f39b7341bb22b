"""Accuracy of image and text classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.evaluators.outcomes import label_outcome
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import FRACTION_CORRECT_UNIT, Label, Outcome, Scale, Score, Unscored

UNSCORED = "unscored"


@dataclass(frozen=True)
class Accuracy:
    """1 if the most probable label is the true one, else 0.

    The answer is the predicted label. Evidence: `confidence` in it, and the probability of the true label, `intended`.
    A sample whose label the model does not have is unscored.
    """

    label: str = "label"
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit=FRACTION_CORRECT_UNIT, low=0.0, high=1.0)

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        model = lab.models.classifier(artifact.path)
        labels = list(model.labels)
        images = lab.readable(holdout, self.image)
        readable = [image for image in images if not isinstance(image, Unscored)]
        rows = iter(model.logits(readable) if readable else ())
        return [
            image if isinstance(image, Unscored) else label_outcome(sample.text(self.label), labels, next(rows))
            for sample, image in zip(holdout, images, strict=True)
        ]


@dataclass(frozen=True)
class ClassResult:
    """Results of the samples of one true label."""

    correct: int
    scored: int
    unscored: int

    @property
    def share(self) -> float | None:
        """Fraction of scored samples that are correct; None if there are none."""
        return self.correct / self.scored if self.scored else None


def per_class(intended: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, ClassResult]:
    """Results by intended label, in the order of first occurrence. A score of 1 is correct; Unscored is not counted."""
    results: dict[str, ClassResult] = {}
    for label, outcome in zip(intended, outcomes, strict=True):
        old = results.get(label, ClassResult(0, 0, 0))
        scored = isinstance(outcome, Score)
        right = isinstance(outcome, Score) and outcome.value == 1.0
        results[label] = ClassResult(old.correct + right, old.scored + scored, old.unscored + (not scored))
    return results


def confusion(intended: Sequence[str], outcomes: Sequence[Outcome]) -> Mapping[str, Mapping[str, int]]:
    """Counts by intended label and answer, of an evaluator's scores or a reference classifier's labels.

    Rows and columns are in the order of first occurrence. Items without an answer count under "unscored", so each row
    adds up to the items of its label.
    """
    counts: dict[str, dict[str, int]] = {}
    for label, outcome in zip(intended, outcomes, strict=True):
        answer = outcome.answer if isinstance(outcome, (Score, Label)) else ""
        row = counts.setdefault(label, {})
        row[answer or UNSCORED] = row.get(answer or UNSCORED, 0) + 1
    return counts


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
        labels = list(model.labels)
        return [label_outcome(sample.text(self.label), labels, row) for sample, row in zip(holdout, rows, strict=True)]
