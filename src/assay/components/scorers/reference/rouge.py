"""ROUGE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.scorers.reference.comparison import check_names, check_one_of, compared
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.similarity.rouge import rouge, stemmed
from assay.text.similarity.tokens import Tokenizer, ascii_tokens, tokens

Kind: TypeAlias = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]
Words: TypeAlias = Literal["any", "ascii"]


@dataclass(frozen=True)
class Rouge:
    """ROUGE F of a text against the best of its references (Lin 2004), as in rouge_score.

    "rouge1" and "rouge2" count unigrams and bigrams, "rougeL" uses the longest common subsequence, "rougeLsum" the same
    by line. Evidence: `precision` and `recall`. A text without words scores 0; a reference without words is ignored.
    """

    kind: Kind = "rougeL"
    words: Words = "any"
    """Tokens of any script, or those of rouge_score: a to z and digits only. Equal for ASCII text."""
    stem: bool = False
    """Compare English words after Porter stemming."""
    references: tuple[str, ...] = ("reference",)
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="ROUGE F", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        check_names("Rouge", self.references)
        check_one_of("Rouge.kind", self.kind, get_args(Kind))
        check_one_of("Rouge.words", self.words, get_args(Words))

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        plain: Tokenizer = tokens if self.words == "any" else ascii_tokens
        tokenize = stemmed(plain) if self.stem else plain

        def judge(text: str, references: list[str]) -> Outcome:
            worded = [reference for reference in references if plain(reference)]
            if not worded:
                return Unscored("not_applicable", "The reference has no words that ROUGE could compare.")
            score = rouge(text, worded, [self.kind], tokenize)[self.kind]
            return Score(score.f, evidence={"precision": score.precision, "recall": score.recall})

        return compared(samples, self.text, self.references, judge)
