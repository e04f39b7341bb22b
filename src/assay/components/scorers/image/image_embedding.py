"""Image embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.scorers.image.outcomes import outcomes
from assay.core.lab import Lab
from assay.core.model_kinds import Matrix
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome, Scale


@dataclass(frozen=True)
class ImageEmbedding:
    """CLIP embedding of the image, a unit vector, for deduplication and nearest neighbors."""

    model: str
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="embedding", better="neither")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.twin_encoder(self.model)

        def judge(nth: int, image: Matrix) -> Outcome:
            return Fingerprint(tuple(image.tolist()))

        return outcomes(lab.readable(samples, self.image), encoder.embed_images, judge)
