"""Zero-shot classification of images by CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from assay.components.scorers.image.outcomes import outcomes
from assay.core.lab import Lab
from assay.core.model_kinds import Matrix
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.prompting.templates import fill


@dataclass(frozen=True)
class ClipMatch:
    """Probability of the intended label in zero-shot classification by CLIP (Radford et al. 2021, section 3.1.2).

    The softmax, with the logit scale of the model, is always over all `labels`. Evidence: `margin` to the most probable
    other label, negative if that one is more probable, and `cosine`. The answer is the most probable label.
    """

    model: str
    labels: tuple[str, ...]
    template: str = "a photo of a {label}"
    """Text for a label; "a" becomes "an" before a vowel."""
    label: str = "label"
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="probability", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"ClipMatch.labels must be two or more different labels, was {self.labels!r}: "
                "a softmax over one label says 1.0 of every image."
            )
        if "{label}" not in self.template:
            raise ValueError(f"ClipMatch.template must hold {{label}}, was {self.template!r}.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.twin_encoder(self.model)
        texts = encoder.embed_texts([self.text(label) for label in self.labels]).astype(np.float64)
        intended = [sample.text(self.label) for sample in samples]

        def judge(nth: int, image: Matrix) -> Outcome:
            # One row at a time: a product of the whole shard may differ in the last bit from that of another shard.
            return self._one(intended[nth], texts @ image.astype(np.float64), encoder.logit_scale)

        return outcomes(lab.readable(samples, self.image), encoder.embed_images, judge)

    def text(self, label: str) -> str:
        """The text that stands for `label`."""
        return fill(self.template, {"label": label})

    def _one(self, label: str, cosines: npt.NDArray[np.float64], logit_scale: float) -> Outcome:
        if label not in self.labels:
            return Unscored("not_applicable", f"{label!r} is not among the labels {', '.join(self.labels)}.")
        logits = cosines * logit_scale  # (labels,)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        own = self.labels.index(label)
        best = int(shares.argmax())
        rival = int(np.where(np.arange(len(shares)) == own, -1.0, shares).argmax())
        evidence = {"margin": float(shares[own] - shares[rival]), "cosine": float(cosines[own])}
        reason = f"most probable other label: {self.labels[rival]!r} ({shares[rival]:.3f})"
        return Score(float(shares[own]), reason, evidence, self.labels[best])
