"""How near does a text lie to its reference in meaning?"""

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
    """The cosine of a text's sentence embedding and that of its nearest reference.

    What counts as near differs from model to model and from language to language (`embedded:minilm` knows English), and
    long texts are cut: compare scores of one model on texts of one kind. An empty text means nothing and is unscored.
    The reason names backend and precision: bfloat16 moves a cosine in its third or fourth place. Other
    texts move nothing.
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
