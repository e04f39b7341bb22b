"""BLEU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from assay.components.scorers.reference.comparison import check_names, check_one_of, compared
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.text.similarity.bleu_chrf import BleuTokenizer, bleu, sentence_score


@dataclass(frozen=True)
class Bleu:
    """Sentence BLEU in percent against all references (Papineni et al. 2002), by sacrebleu.

    The reason is sacrebleu's signature. The mean over sentences is not corpus BLEU, for which there is
    `assay.text.similarity.bleu_chrf.of_corpus`.
    """

    tokenize: BleuTokenizer = "13a"
    """"char" for Japanese, Korean and Thai, "zh" for Chinese."""
    references: tuple[str, ...] = ("reference",)
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="BLEU", low=0.0, high=100.0)

    def __post_init__(self) -> None:
        check_names("Bleu", self.references)
        check_one_of("Bleu.tokenize", self.tokenize, get_args(BleuTokenizer))

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        metric = bleu(self.tokenize)

        def judge(text: str, references: list[str]) -> Outcome:
            found = sentence_score(metric, text, references)
            return Score(found.value, found.signature)

        return compared(samples, self.text, self.references, judge)
