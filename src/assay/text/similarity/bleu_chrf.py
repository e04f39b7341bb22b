"""BLEU and chrF by sacrebleu, each with the signature that lets somebody else get the same number.

Source: Papineni et al. 2002 (BLEU), Popović 2015 and 2017 (chrF, chrF++), Post 2018 (signatures). Nothing is computed
here: BLEU differs with its tokenizer and smoothing, so there should be one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from assay.core.extras import require

Cut: TypeAlias = Literal["13a", "intl", "char", "zh", "none"]
"""How BLEU cuts words: as WMT does; by Unicode's punctuation; each character, as for Japanese, Korean or Thai; Chinese
characters alone; or at spaces, where the text is cut already."""


@dataclass(frozen=True)
class SacrebleuScore:
    """A score, and how it was made."""

    value: float
    """0 to 100."""
    signature: str
    """sacrebleu's, with its version: quote it beside the number."""


Metric: TypeAlias = Callable[[bool], Any]
"""`bleu` or `chrf`: sacrebleu's own, for one sentence where True, else for a corpus."""


def bleu(tokenize: Cut = "13a") -> Metric:
    """BLEU of up to four words, in per cent.

    Of a sentence: with exponential smoothing and no more orders than it has (effective order), as sacrebleu advises.
    The mean over sentences is not the BLEU of a corpus.
    """
    metrics = require("sacrebleu.metrics", "text")
    return lambda sentence: metrics.BLEU(tokenize=tokenize, effective_order=sentence, force=True)


def chrf(word_order: Literal[0, 2] = 0) -> Metric:
    """chrF2 of up to six characters, in per cent; with a `word_order` of 2 chrF2++, which looks at words too."""
    metrics = require("sacrebleu.metrics", "text")
    return lambda sentence: metrics.CHRF(word_order=word_order)


def of_text(metric: Metric, text: str, references: Sequence[str]) -> SacrebleuScore:
    """The score of one text against one or more references.

    Raises:
        ValueError: There is no reference.
    """
    if not references:
        raise ValueError("There is no reference to compare with.")
    scorer = metric(True)
    return _overlap(scorer.sentence_score(text, list(references)), scorer)


def of_corpus(metric: Metric, texts: Sequence[str], references: Sequence[Sequence[str]]) -> SacrebleuScore:
    """The score of all texts together, `references[i]` being those of `texts[i]`, of any number from one on.

    Raises:
        ValueError: There is no text, a text has no reference, or there are not as many lists as texts.
    """
    if not texts or len(texts) != len(references) or not all(references):
        raise ValueError(f"Texts need references, one list each: {len(texts)} texts, {len(references)} lists.")
    most = max(map(len, references))
    # sacrebleu wants the first references of all texts, then the second ones; None where a text has no more.
    streams = [[own[nth] if nth < len(own) else None for own in references] for nth in range(most)]
    scorer = metric(False)
    return _overlap(scorer.corpus_score(list(texts), streams), scorer)


def _overlap(score: Any, scorer: Any) -> SacrebleuScore:
    # The exponential of a mean of logarithms may pass 100 in its last bit.
    return SacrebleuScore(min(100.0, float(score.score)), str(scorer.get_signature()))
