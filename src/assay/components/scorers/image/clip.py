"""Scorers by CLIP: CLIPScore, zero-shot classification, and image embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from assay.components.scorers.classification import softmax
from assay.components.scorers.image.outcomes import outcomes
from assay.core.lab import Lab
from assay.core.model_kinds import Matrix
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome, Scale, Score, Unscored
from assay.text.prompting.templates import fill

RESCALE = 2.5


@dataclass(frozen=True)
class ClipScore:
    """2.5 * max(cos(image, text), 0) of each image (Hessel et al. 2021, equation 1; prefix as in their section 3).

    The factor 2.5 scales the cosines of ViT-B/32 for natural captions to 0 to 1; other encoders have other ranges, so
    compare only scores of the same model. torchmetrics' CLIPScore differs: 100 * cos, no prefix, and one mean over all
    images, clipped after averaging. Evidence: `cosine`, before clipping.
    """

    model: str
    prefix: str = "A photo depicts "
    field: str = "prompt"
    """Text field to compare the image with."""
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="CLIPScore", low=0.0, high=RESCALE)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.twin_encoder(self.model)
        captions = [f"{self.prefix}{sample.text(self.field)}" for sample in samples]
        texts = encoder.embed_texts(captions).astype(np.float64) if captions else np.empty((0, 0))

        def outcome(nth: int, image: Matrix) -> Outcome:
            cosine = min(1.0, float(texts[nth] @ image.astype(np.float64)))
            return Score(RESCALE * max(cosine, 0.0), evidence={"cosine": cosine})

        return outcomes(lab.readable(samples, self.image), encoder.embed_images, outcome)


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
                "a softmax over one label is always 1."
            )
        if "{label}" not in self.template:
            raise ValueError(f"ClipMatch.template must contain {{label}}, was {self.template!r}.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.twin_encoder(self.model)
        texts = encoder.embed_texts([self.text(label) for label in self.labels]).astype(np.float64)
        intended = [sample.text(self.label) for sample in samples]

        def outcome(nth: int, image: Matrix) -> Outcome:
            # One row at a time: a product of the whole shard may differ in the last bit from that of another shard.
            return self._outcome(intended[nth], texts @ image.astype(np.float64), encoder.logit_scale)

        return outcomes(lab.readable(samples, self.image), encoder.embed_images, outcome)

    def text(self, label: str) -> str:
        """Text of a label."""
        return fill(self.template, {"label": label})

    def _outcome(self, label: str, cosines: npt.NDArray[np.float64], logit_scale: float) -> Outcome:
        if label not in self.labels:
            return Unscored("not_applicable", f"{label!r} is not among the labels {', '.join(self.labels)}.")
        logits = cosines * logit_scale  # (labels,)
        probabilities = softmax(logits)
        intended = self.labels.index(label)
        best = int(probabilities.argmax())
        rival = int(np.where(np.arange(len(probabilities)) == intended, -1.0, probabilities).argmax())
        evidence = {"margin": float(probabilities[intended] - probabilities[rival]), "cosine": float(cosines[intended])}
        reason = f"most probable other label: {self.labels[rival]!r} ({probabilities[rival]:.3f})"
        return Score(float(probabilities[intended]), reason, evidence, self.labels[best])


@dataclass(frozen=True)
class ImageEmbedding:
    """CLIP embedding of the image, a unit vector, for deduplication and nearest neighbors."""

    model: str
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="embedding", better="neither")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.twin_encoder(self.model)

        def outcome(nth: int, image: Matrix) -> Outcome:
            return Fingerprint(tuple(image.tolist()))

        return outcomes(lab.readable(samples, self.image), encoder.embed_images, outcome)
