"""chrF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.components.scorers.reference.comparison import check_names, check_one_of, compared
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.text.similarity.bleu_chrf import chrf, sentence_score


@dataclass(frozen=True)
class ChrF:
    """chrF2 in percent against the best of the references (Popović 2015), by sacrebleu; for any script.

    The reason is sacrebleu's signature.
    """

    word_order: Literal[0, 2] = 0
    """2 for chrF++, which uses words and bigrams too."""
    references: tuple[str, ...] = ("reference",)
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="chrF", low=0.0, high=100.0)

    def __post_init__(self) -> None:
        check_names("ChrF", self.references)
        check_one_of("ChrF.word_order", self.word_order, (0, 2))

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        metric = chrf(self.word_order)

        def judge(text: str, references: list[str]) -> Outcome:
            found = sentence_score(metric, text, references)
            return Score(found.value, found.signature)

        return compared(samples, self.text, self.references, judge)
