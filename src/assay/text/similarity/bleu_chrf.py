"""BLEU and chrF by sacrebleu, with the signature that makes a score reproducible.

Source: Papineni et al. 2002 (BLEU), Popović 2015 and 2017 (chrF, chrF++), Post 2018 (signatures). sacrebleu
computes both: BLEU depends on tokenizer and smoothing, so there should be one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from assay.core.errors import require

BleuTokenizer: TypeAlias = Literal["13a", "intl", "char", "zh", "none"]
"""sacrebleu's BLEU tokenizers: WMT's; Unicode punctuation; characters, for Japanese, Korean or Thai; Chinese
characters only; none, for tokenized text."""


@dataclass(frozen=True)
class SacrebleuScore:
    """Score with its signature."""

    value: float
    """0 to 100."""
    signature: str
    """sacrebleu's signature with its version; report it with the score."""


MetricFactory: TypeAlias = Callable[[bool], Any]
"""`bleu` or `chrf`: returns a sacrebleu metric, for one sentence if True, otherwise for a corpus."""


def bleu(tokenize: BleuTokenizer = "13a") -> MetricFactory:
    """BLEU-4, in percent.

    Sentence BLEU uses exponential smoothing and effective order, as sacrebleu recommends. Mean sentence BLEU is not
    corpus BLEU.
    """
    metrics = require("sacrebleu.metrics", "text")
    return lambda sentence: metrics.BLEU(tokenize=tokenize, effective_order=sentence, force=True)


def chrf(word_order: Literal[0, 2] = 0) -> MetricFactory:
    """chrF2 with character 6-grams, in percent; with `word_order=2` chrF2++, which includes word n-grams."""
    metrics = require("sacrebleu.metrics", "text")
    return lambda sentence: metrics.CHRF(word_order=word_order)


def sentence_score(metric: MetricFactory, text: str, references: Sequence[str]) -> SacrebleuScore:
    """Score of one text against one or more references.

    Raises:
        ValueError: No references.
    """
    if not references:
        raise ValueError("There is no reference to compare with.")
    scorer = metric(True)
    return _with_signature(scorer.sentence_score(text, list(references)), scorer)


def corpus_score(metric: MetricFactory, texts: Sequence[str], references: Sequence[Sequence[str]]) -> SacrebleuScore:
    """Corpus score; `references[i]` are the references of `texts[i]`, one or more.

    Raises:
        ValueError: No texts, a text without references, or a different number of texts and reference lists.
    """
    if not texts or len(texts) != len(references) or not all(references):
        raise ValueError(f"Texts need references, one list each: {len(texts)} texts, {len(references)} lists.")
    max_references = max(map(len, references))
    # sacrebleu takes the first references of all texts, then the second ones; None if a text has no more.
    streams = [[refs[i] if i < len(refs) else None for refs in references] for i in range(max_references)]
    scorer = metric(False)
    return _with_signature(scorer.corpus_score(list(texts), streams), scorer)


def _with_signature(score: Any, scorer: Any) -> SacrebleuScore:
    # Rounding may put the exponential of a mean of logarithms just above 100.
    return SacrebleuScore(min(100.0, float(score.score)), str(scorer.get_signature()))
