"""ROUGE-N, ROUGE-L and ROUGE-Lsum.

Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries". Bit-identical to google-research/rouge
(package rouge_score) for the same tokens, and so equal to ROUGE-1.5.5 in the five digits it prints. Our default
tokenizer is `tokens`, for every script; `ascii_tokens` is that of rouge_score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from assay.core.errors import require
from assay.text.similarity.lcs import lcs_length, lcs_positions, token_masks
from assay.text.similarity.tokens import Tokenizer, tokens

RougeType: TypeAlias = str
"""`rouge1` to `rouge9`, `rougeL` or `rougeLsum`."""
ROUGE_TYPES = (*(f"rouge{n}" for n in range(1, 10)), "rougeL", "rougeLsum")


@dataclass(frozen=True)
class RougeScore:
    """Precision, recall and F1."""

    precision: float
    recall: float
    f: float
    """Harmonic mean of both; 0 if nothing is shared."""


def rouge(
    text: str, references: Sequence[str], kinds: Sequence[RougeType], tokenize: Tokenizer = tokens
) -> dict[RougeType, RougeScore]:
    """Scores of `text` by ROUGE type, against the reference with the highest F (the first of equals).

    `rougeLsum` splits sentences at line breaks. A text or reference without tokens scores 0.

    Raises:
        ValueError: Unknown ROUGE type, or no references.
    """
    assert not isinstance(references, str), "references must be a list of strings."
    if unknown := [kind for kind in kinds if kind not in ROUGE_TYPES]:
        raise ValueError(f"Unknown ROUGE type {unknown[0]!r}. Known: {', '.join(ROUGE_TYPES)}.")
    if not references:
        raise ValueError("references must have at least one element.")
    candidate = _TokenizedText(text, tokenize)
    others = [_TokenizedText(reference, tokenize) for reference in references]
    return {
        kind: max((_score_type(candidate, other, kind) for other in others), key=lambda score: score.f)
        for kind in kinds
    }


def stemmed(tokenize: Tokenizer) -> Tokenizer:
    """Tokenizer that stems English words of more than three letters, as rouge_score's `use_stemmer`."""
    return lambda text: [stem(token) if len(token) > 3 and token.isascii() else token for token in tokenize(text)]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Stem of a lower-case English word by NLTK's PorterStemmer, as in rouge_score."""
    return str(_stemmer().stem(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return require("nltk.stem.porter", "text").PorterStemmer()


class _TokenizedText:
    """Text that is tokenized once for all ROUGE types."""

    def __init__(self, text: str, tokenize: Tokenizer) -> None:
        self.tokens = tokenize(text)
        self._text = text
        self._tokenize = tokenize

    def lines(self) -> list[list[str]]:
        return [self._tokenize(line) for line in self._text.split("\n") if line]

    def grams(self, n: int) -> Counter[tuple[str, ...]]:
        return Counter(zip(*(self.tokens[start:] for start in range(n)), strict=False))


def _score_type(text: _TokenizedText, reference: _TokenizedText, kind: RougeType) -> RougeScore:
    if kind == "rougeLsum":
        return _by_lines(text.lines(), reference.lines())
    if kind == "rougeL":
        shared = lcs_length(text.tokens, reference.tokens)
        return _from_counts(shared, len(text.tokens), len(reference.tokens))
    text_grams, reference_grams = text.grams(int(kind[5:])), reference.grams(int(kind[5:]))
    return _from_counts((text_grams & reference_grams).total(), text_grams.total(), reference_grams.total())


def _by_lines(text: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> RougeScore:
    """ROUGE-Lsum (Lin 2004, section 3.2): union LCS of each reference sentence with all sentences of the text.

    As in ROUGE-1.5.5 and rouge_score, but not in the paper, counts are clipped to the counts of the text.
    """
    counts = Counter(token for line in text for token in line)
    sought = [(line, set(line)) for line in text]
    shared: Counter[str] = Counter()
    for line in reference:
        shared.update(_union(line, sought))
    return _from_counts((shared & counts).total(), counts.total(), sum(map(len, reference)))


def _union(line: Sequence[str], sought: Sequence[tuple[Sequence[str], set[str]]]) -> list[str]:
    """Tokens of a sentence that are in its LCS with any of the other sentences."""
    masks, union = token_masks(line), 0
    uncovered = set(line)
    for other, words in sought:
        # A sentence adds nothing if it has no token with an uncovered position.
        if not uncovered.isdisjoint(words):
            union |= lcs_positions(masks, len(line), other)
            uncovered = {token for token in uncovered if masks[token] & ~union}
    return [token for i, token in enumerate(line) if union >> i & 1]


def _from_counts(shared: int, length: int, other_length: int) -> RougeScore:
    return RougeScore(shared / max(length, 1), shared / max(other_length, 1), rouge_f1(shared, length, other_length))


def rouge_f1(shared: int, length: int, other_length: int) -> float:
    """F1 of texts of `length` and `other_length` tokens with `shared` common tokens; 0 if none.

    The expressions and their order are those of rouge_score; another order would round differently, for example 7 of 10
    tokens would not be exactly 0.7.
    """
    if not shared:
        return 0.0
    precision, recall = shared / length, shared / other_length
    return 2 * precision * recall / (precision + recall)
