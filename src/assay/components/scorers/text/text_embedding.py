"""Text embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome, Scale, Unscored


@dataclass(frozen=True)
class TextEmbedding:
    """Sentence embedding of the text, a unit vector, for deduplication and nearest neighbors.

    An empty text is unscored; the encoder truncates long texts.
    """

    model: str = "embedded:minilm"
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="embedding", better="neither")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        texts = [sample.text(self.text) for sample in samples]
        rows = iter(lab.models.embedder(self.model).embed([text for text in texts if text.strip()]))
        return [
            Fingerprint(tuple(next(rows).tolist()))
            if text.strip()
            else Unscored("not_applicable", "The text is empty.")
            for text in texts
        ]
