"""Which of the texts before it is each text most like, by ROUGE-L's F? Exact, without a limit to be told.

Every text is measured against all others by the bits of its signature, some nanoseconds a pair, which says how high F
can be; subsequences are then sought from the highest on, until no bound is above what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.text.similarity.lcs import BLOCK, lcs_length, length_by_masks, masks_of
from assay.text.similarity.rouge import f_of
from assay.text.similarity.sketches import WORDS, Bits, Sketches, Vocabulary
from assay.text.similarity.tokens import Tokenizer, tokens

Floats: TypeAlias = npt.NDArray[np.float64]

FIRST = 8
"""Of the highest bounds, looked at before all others: what they find leaves few that could be higher."""
_SLACK = 1e-9
"""A bound is reckoned by other roundings than F."""


class Nearest(NamedTuple):
    """The text most like another; of equals the first."""

    number: int | None
    """Counted from 0, the texts to be compared with before the others; None where there is none that shares a token."""
    f: float
    """0.0 where there is none."""
    shared: int
    """Tokens of their longest common subsequence."""
    sizes: tuple[int, int]
    """Tokens of the text, and of the one it is most like."""


def nearest_before(
    texts: Sequence[str], against: Sequence[str] = (), tokenize: Tokenizer = tokens, *, among: bool = True
) -> list[Nearest]:
    """For each of `texts` the nearest among `against` and, where `among`, the texts before it.

    Takes a time that grows with the square of the number of texts: `benchmarks/novelty.py --nearest` says how long.
    """
    sketches, _, _ = Vocabulary(tokenize).sketch([*against, *texts])
    words = _words(sketches)
    start = len(against)
    return [_nearest(sketches, words, row, row if among else start) for row in range(start, len(sketches))]


def _words(sketches: Sketches) -> list[Bits]:
    """Signatures word by word: two words for most texts, more where texts are long and would fill them."""
    usual = np.quantile(sketches.lengths, 0.95) if len(sketches) else 0
    count = 2 if usual <= 48 else 4 if usual <= 112 else WORDS
    folded = np.bitwise_or.reduce(sketches.fine.reshape(-1, WORDS // count, count), axis=1)
    return [np.ascontiguousarray(folded[:, word]) for word in range(count)]


def _nearest(sketches: Sketches, words: Sequence[Bits], row: int, end: int) -> Nearest:
    own = sketches.tokens[row]
    best = Nearest(None, 0.0, 0, (len(own), 0))
    if not own or not end:
        return best
    bounds = _bounds(sketches, words, row, end)
    masks = masks_of(own) if len(own) <= BLOCK else {}
    first = np.argpartition(-bounds, FIRST)[:FIRST] if end > FIRST else np.arange(end)
    for group in (first, None):
        numbers = np.flatnonzero(bounds >= max(best.f - _SLACK, _SLACK)) if group is None else group
        for number in numbers[np.argsort(-bounds[numbers], kind="stable")].tolist():
            if bounds[number] < best.f - _SLACK or not bounds[number]:
                break
            best = _nearer(best, own, masks, sketches.tokens[number], number)
    return best


def _bounds(sketches: Sketches, words: Sequence[Bits], row: int, end: int) -> Floats:
    """How high F with each of the first `end` texts can be. Shape: (end,)."""
    differ = np.zeros(end, np.int64)
    for word in words:
        differ += np.bitwise_count(word[:end] ^ word[row])
    size, others = int(sketches.lengths[row]), sketches.lengths[:end]
    both = others + size
    shared = np.minimum(both - differ >> 1, np.minimum(others, size))
    bounds: Floats = 2 * shared / both
    return bounds


def _nearer(best: Nearest, own: Sequence[int], masks: dict[int, int], other: Sequence[int], number: int) -> Nearest:
    shared = length_by_masks(masks, len(own), other) if masks else lcs_length(own, other)
    f = f_of(shared, len(own), len(other))
    if f > best.f or (f == best.f and best.number is not None and number < best.number):
        return Nearest(number, f, shared, (len(own), len(other)))
    return best
