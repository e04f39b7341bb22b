"""Semantic similarity to references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from assay.components.scorers.reference.comparison import check_names, compared, references_of
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored


@dataclass(frozen=True)
class EmbeddingCosine:
    """Cosine similarity of the sentence embeddings of a text and of its nearest reference.

    The scale differs by model and by language (`embedded:minilm` supports English), and long texts are truncated:
    compare only scores of one model on one kind of text. An empty text is unscored. The reason names backend and
    precision: bfloat16 changes a cosine in its third or fourth decimal. The other texts of a batch have no effect.
    """

    model: str = "embedded:minilm"
    references: tuple[str, ...] = ("reference",)
    text: str = "text"

    version: ClassVar[int] = 2
    scale: ClassVar[Scale] = Scale(unit="cosine", low=-1.0, high=1.0)

    def __post_init__(self) -> None:
        check_names("EmbeddingCosine", self.references)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.embedder(self.model)
        texts = [
            text for sample in samples for text in (sample.text(self.text), *references_of(sample, self.references))
        ]
        asked = sorted({text for text in texts if text.strip()})
        rows = encoder.embed(asked).astype(np.float64) if asked else np.empty((0, 0))
        place = {text: nth for nth, text in enumerate(asked)}

        def judge(text: str, references: list[str]) -> Outcome:
            if not text.strip():
                return Unscored("not_applicable", "The text is empty.")
            own = rows[place[text]]
            best = max(float(own @ rows[place[reference]]) for reference in references)
            return Score(min(1.0, max(-1.0, best)), encoder.how)

        return compared(samples, self.text, self.references, judge)
