"""Exact nearest earlier text by ROUGE-L F, without a threshold.

Signatures give an upper bound of F for every pair in a few nanoseconds. Subsequences are then computed in descending
order of the bound, until no bound exceeds the best F.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.text.similarity.candidates import SIGNATURE_WORDS, BitArray, Sketches, Vocabulary
from assay.text.similarity.lcs import lcs_length
from assay.text.similarity.rouge import rouge_f1
from assay.text.similarity.tokens import Tokenizer, tokens

Floats64: TypeAlias = npt.NDArray[np.float64]

FIRST_CANDIDATES = 8
"""Highest bounds that are checked first; their best F excludes most of the others."""
_TOLERANCE = 1e-9
"""The bound and F round differently."""


class NearestText(NamedTuple):
    """The most similar text; the first of equals."""

    number: int | None
    """Index from 0 into `against` followed by `texts`; None if no text shares a token."""
    f: float
    """ROUGE-L F; 0.0 if `number` is None."""
    shared: int
    """Length of the longest common subsequence, in tokens."""
    sizes: tuple[int, int]
    """Number of tokens of the text and of its nearest text."""


def nearest_before(
    texts: Sequence[str], against: Sequence[str] = (), tokenize: Tokenizer = tokens, *, among: bool = True
) -> list[NearestText]:
    """Nearest text of each of `texts` among `against` and, if `among`, the preceding texts.

    Time is quadratic in the number of texts; `benchmarks/novelty.py --nearest` measures it.
    """
    sketches, _, _ = Vocabulary(tokenize).sketch([*against, *texts])
    words = _words(sketches)
    start = len(against)
    return [_nearest(sketches, words, row, row if among else start) for row in range(start, len(sketches))]


def _words(sketches: Sketches) -> list[BitArray]:
    """Columns of signature words: two for short texts, more for long ones, which would saturate two."""
    typical = np.quantile(sketches.lengths, 0.95) if len(sketches) else 0
    count = 2 if typical <= 48 else 4 if typical <= 112 else SIGNATURE_WORDS
    folded = np.bitwise_or.reduce(sketches.fine.reshape(-1, SIGNATURE_WORDS // count, count), axis=1)
    return [np.ascontiguousarray(folded[:, word]) for word in range(count)]


def _nearest(sketches: Sketches, words: Sequence[BitArray], row: int, end: int) -> NearestText:
    query = sketches.tokens[row]
    best = NearestText(None, 0.0, 0, (len(query), 0))
    if not query or not end:
        return best
    bounds = _bounds(sketches, words, row, end)
    first = np.argpartition(-bounds, FIRST_CANDIDATES)[:FIRST_CANDIDATES] if end > FIRST_CANDIDATES else np.arange(end)
    for group in (first, None):
        numbers = np.flatnonzero(bounds >= max(best.f - _TOLERANCE, _TOLERANCE)) if group is None else group
        for number in numbers[np.argsort(-bounds[numbers], kind="stable")].tolist():
            if bounds[number] < best.f - _TOLERANCE or not bounds[number]:
                break
            best = _closer(best, query, sketches.tokens[number], number)
    return best


def _bounds(sketches: Sketches, words: Sequence[BitArray], row: int, end: int) -> Floats64:
    """Upper bounds of F with each of the first `end` texts. Shape: (end,)."""
    differ = np.zeros(end, np.int64)
    for word in words:
        differ += np.bitwise_count(word[:end] ^ word[row])
    size, others = int(sketches.lengths[row]), sketches.lengths[:end]
    both = others + size
    shared = np.minimum(both - differ >> 1, np.minimum(others, size))
    bounds: Floats64 = 2 * shared / both
    return bounds


def _closer(best: NearestText, query: Sequence[int], other: Sequence[int], number: int) -> NearestText:
    shared = lcs_length(query, other)
    f = rouge_f1(shared, len(query), len(other))
    if f > best.f or (f == best.f and best.number is not None and number < best.number):
        return NearestText(number, f, shared, (len(query), len(other)))
    return best
