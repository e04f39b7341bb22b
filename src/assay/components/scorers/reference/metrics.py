"""Similarity to references: BLEU, chrF, ROUGE, and the cosine of sentence embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from assay.components.scorers.reference.comparison import check_names, check_one_of, compared, references_of
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.similarity.bleu_chrf import BleuTokenizer, bleu, chrf, sentence_score
from assay.text.similarity.rouge import rouge, stemmed
from assay.text.similarity.tokens import Tokenizer, ascii_tokens, tokens


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
            result = sentence_score(metric, text, references)
            return Score(result.value, result.signature)

        return compared(samples, self.text, self.references, judge)


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
            result = sentence_score(metric, text, references)
            return Score(result.value, result.signature)

        return compared(samples, self.text, self.references, judge)


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
        distinct = sorted({text for text in texts if text.strip()})
        rows = encoder.embed(distinct).astype(np.float64) if distinct else np.empty((0, 0))
        place = {text: nth for nth, text in enumerate(distinct)}

        def judge(text: str, references: list[str]) -> Outcome:
            if not text.strip():
                return Unscored("not_applicable", "The text is empty.")
            embedding = rows[place[text]]
            best = max(float(embedding @ rows[place[reference]]) for reference in references)
            return Score(min(1.0, max(-1.0, best)), encoder.how)

        return compared(samples, self.text, self.references, judge)
