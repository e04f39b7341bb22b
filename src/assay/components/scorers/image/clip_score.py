"""CLIPScore: similarity of image and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from assay.components.scorers.image.outcomes import outcomes
from assay.core.lab import Lab
from assay.core.model_kinds import Matrix
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score

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

        def judge(nth: int, image: Matrix) -> Outcome:
            cosine = min(1.0, float(texts[nth] @ image.astype(np.float64)))
            return Score(RESCALE * max(cosine, 0.0), evidence={"cosine": cosine})

        return outcomes(lab.readable(samples, self.image), encoder.embed_images, judge)
