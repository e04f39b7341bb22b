"""Scores for out-of-distribution (OOD) detection with a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.stats.confidence.ood_scores import energy, fit_vim, knn_distance, max_logit, principal_dimensions

FIT = "fit"
"""Value of the field `part` of the in-distribution samples that kNN and ViM are fitted on."""
LOGIT = "logit "
METHODS = ("max-logit", "energy", "nearest", "vim")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OodScores:
    """In-distribution score by `method`, higher for in-distribution inputs.

    The evidence has the scores of all four methods, `confidence`, the maximum softmax probability, as the baseline, and
    every logit as `logit LABEL`, for calibration. The answer is the predicted label.

    "nearest" (kNN) and "vim" are fitted on the samples whose text field `part` is "fit": real in-distribution samples.
    The papers fit on training samples, but a model trained on generated images is used on real ones. The scores of the
    fitted samples themselves are biased: do not choose a threshold by them.
    """

    method: Literal["max-logit", "energy", "nearest", "vim"] = "energy"
    k: int = 10
    """Which neighbor "nearest" uses."""
    part: str = "part"
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="how known, by the method's own measure")

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"OodScores.method must be one of {', '.join(METHODS)}, was {self.method!r}.")
        if self.k < 1:
            raise ValueError(f"OodScores.k must be at least 1, was {self.k}.")

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        model = lab.models.classifier(artifact.path)
        images = lab.readable(holdout, self.image)
        rows = [nth for nth, image in enumerate(images) if not isinstance(image, Unscored)]
        readable = [image for image in images if not isinstance(image, Unscored)]
        features = model.features(readable).astype(np.float64)
        weight, bias = (part.astype(np.float64) for part in model.head())
        logits = features @ weight.T + bias
        fit_mask = np.array([holdout[nth].fields.get(self.part) == FIT for nth in rows], dtype=bool)
        columns = self._scores(features, logits, fit_mask, (weight, bias))
        if self.method not in columns and rows:
            raise RecipeError(
                f"OodScores by {self.method!r} needs at least {self.k} samples to fit, had {int(fit_mask.sum())}.",
                hint=f"Their text field {self.part!r} must be {FIT!r}.",
                method=self.method,
                needed=self.k,
                samples=int(fit_mask.sum()),
            )
        outcomes: dict[int, Outcome] = {
            row: self._score({name: float(column[nth]) for name, column in columns.items()}, logits[nth], model.labels)
            for nth, row in enumerate(rows)
        }
        return [image if isinstance(image, Unscored) else outcomes[nth] for nth, image in enumerate(images)]

    def _scores(
        self, features: Floats, logits: Floats, fit_mask: npt.NDArray[np.bool_], head: tuple[Floats, Floats]
    ) -> Mapping[str, Floats]:
        if not len(features):
            return {}
        columns = {"max-logit": max_logit(logits), "energy": energy(logits)}
        if int(fit_mask.sum()) >= max(2, self.k):
            columns["nearest"] = knn_distance(features, features[fit_mask], self.k)
            dimensions = principal_dimensions(features.shape[1])
            columns["vim"] = fit_vim(features[fit_mask], logits[fit_mask], *head, dimensions)(features, logits)
        return columns

    def _score(self, scores: Mapping[str, float], logits: Floats, labels: Sequence[str]) -> Score:
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        best = int(probabilities.argmax())
        each = {f"{LOGIT}{label}": float(logit) for label, logit in zip(labels, logits, strict=True)}
        evidence = {**scores, "confidence": float(probabilities[best]), **each}
        return Score(scores[self.method], f"it says {labels[best]!r}", evidence, labels[best])
