"""ROUGE: how many words, pairs of words or words in order a text shares with a reference.

Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"; numbers are those of google-research/rouge
(the package rouge_score), down to the last bit where both have the same tokens, and so those of ROUGE-1.5.5 to the five
places it prints. We differ in the words: by default those of `tokens`, which knows every script; `ascii_tokens` are
rouge_score's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from assay.core.extras import require
from assay.text.similarity.lcs import lcs_length, lcs_places, masks_of
from assay.text.similarity.tokens import Tokenizer, tokens

Kind: TypeAlias = str
"""`rouge1` to `rouge9`, `rougeL` or `rougeLsum`."""
KINDS = (*(f"rouge{n}" for n in range(1, 10)), "rougeL", "rougeLsum")


@dataclass(frozen=True)
class RougeScore:
    """How much of the text is in the reference, how much of the reference is in the text, and both in one."""

    precision: float
    recall: float
    f: float
    """The harmonic mean, F1; 0 where nothing is shared."""


def rouge(
    text: str, references: Sequence[str], kinds: Sequence[Kind], tokenize: Tokenizer = tokens
) -> dict[Kind, RougeScore]:
    """Scores of `text` by each kind, against the reference that it fits best by F (the first of those).

    `rougeLsum` takes lines for sentences. A text or a reference without any token scores 0.

    Raises:
        ValueError: There is no such kind, or no reference.
    """
    assert not isinstance(references, str), "References are a list, of one or more."
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"There is no ROUGE of kind {unknown[0]!r}: there are {', '.join(KINDS)}.")
    if not references:
        raise ValueError("ROUGE needs a reference.")
    own = _Parts(text, tokenize)
    others = [_Parts(reference, tokenize) for reference in references]
    return {kind: max((_one(own, other, kind) for other in others), key=lambda score: score.f) for kind in kinds}


def stemmed(tokenize: Tokenizer) -> Tokenizer:
    """A tokenizer whose English words of more than three letters are stemmed, as with rouge_score's `use_stemmer`."""
    return lambda text: [stem(token) if len(token) > 3 and token.isascii() else token for token in tokenize(text)]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The stem of an English word in lower case, by NLTK's PorterStemmer, as in rouge_score."""
    return str(_stemmer().stem(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return require("nltk.stem.porter", "text").PorterStemmer()


class _Parts:
    """A text cut once, whatever is asked of it."""

    def __init__(self, text: str, tokenize: Tokenizer) -> None:
        self.tokens = tokenize(text)
        self._text = text
        self._tokenize = tokenize

    def lines(self) -> list[list[str]]:
        return [self._tokenize(line) for line in self._text.split("\n") if line]

    def grams(self, n: int) -> Counter[tuple[str, ...]]:
        return Counter(zip(*(self.tokens[start:] for start in range(n)), strict=False))


def _one(text: _Parts, reference: _Parts, kind: Kind) -> RougeScore:
    if kind == "rougeLsum":
        return _by_lines(text.lines(), reference.lines())
    if kind == "rougeL":
        shared = lcs_length(text.tokens, reference.tokens)
        return _score(shared, len(text.tokens), len(reference.tokens))
    own, other = text.grams(int(kind[5:])), reference.grams(int(kind[5:]))
    return _score((own & other).total(), own.total(), other.total())


def _by_lines(text: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> RougeScore:
    """Lin 2004, section 3.2: of each reference sentence the union of what it shares with each sentence of the text.

    As in ROUGE-1.5.5 and rouge_score, and not in the paper, a token counts no more often than the text has it.
    """
    counts = Counter(token for line in text for token in line)
    sought = [(line, set(line)) for line in text]
    shared: Counter[str] = Counter()
    for line in reference:
        shared.update(_union(line, sought))
    return _score((shared & counts).total(), counts.total(), sum(map(len, reference)))


def _union(line: Sequence[str], sought: Sequence[tuple[Sequence[str], set[str]]]) -> list[str]:
    """Tokens of a sentence that are in its longest common subsequence with any of the others."""
    masks, union = masks_of(line), 0
    wanted = set(line)
    for other, words in sought:
        # A sentence without any token that still has a free place cannot add one.
        if not wanted.isdisjoint(words):
            union |= lcs_places(masks, len(line), other)
            wanted = {token for token in wanted if masks[token] & ~union}
    return [token for nth, token in enumerate(line) if union >> nth & 1]


def _score(shared: int, own: int, other: int) -> RougeScore:
    return RougeScore(shared / max(own, 1), shared / max(other, 1), f_of(shared, own, other))


def f_of(shared: int, own: int, other: int) -> float:
    """F1 of texts of `own` and `other` tokens that share so many; 0 where they share none.

    The expressions and their order are rouge_score's: another order differs in the last bit, and then 7 tokens of 10
    are no longer 0.7 where they are with rouge_score.
    """
    if not shared:
        return 0.0
    precision, recall = shared / own, shared / other
    return 2 * precision * recall / (precision + recall)
