"""Texts as numbers that can be compared by the thousand: lengths, and bits that say how much two texts can share.

The k-th occurrence of a token in a text is an element of its own, so a text is a set of elements, and two texts of m
and n tokens whose sets differ in d elements share (m + n - d) / 2 tokens in any order, and no more in one order. Each
element sets one bit of its text's signature; so two signatures differ in at most d bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from assay.text.similarity.tokens import Tokenizer

Ints: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.uint64]

WORDS = 8
"""64-bit words of a fine signature: enough for texts of some hundred tokens; more of them pass the sieves in vain."""
_OCCURRENCES = 20
"""Bits for the number of an occurrence: later ones than the millionth are one element, which only weakens the sieve."""


@dataclass(frozen=True)
class Sketches:
    """Texts in order."""

    tokens: Sequence[Sequence[int]]
    """Of each text, numbered by the vocabulary."""
    lengths: Ints
    """Shape: (n,)."""
    coarse: Bits
    """Shape: (n,). All words of the fine signature in one."""
    fine: Bits
    """Shape: (n, WORDS)."""

    def __len__(self) -> int:
        return len(self.tokens)

    def part(self, start: int, end: int) -> Sketches:
        """Those from `start` to before `end`."""
        return Sketches(self.tokens[start:end], self.lengths[start:end], self.coarse[start:end], self.fine[start:end])


class Vocabulary:
    """Numbers tokens, and their later occurrences in a text, in the order in which they are met."""

    def __init__(self, tokenize: Tokenizer) -> None:
        self._tokenize = tokenize
        self._numbers: dict[str | int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def sketch(self, texts: Sequence[str]) -> tuple[Sketches, Ints, Ints]:
        """Sketches of `texts`; then the row of each element of theirs, rising, and its number.

        Shapes: as `Sketches`, (e,) and (e,), where e is the number of tokens.
        """
        tokens = self._numbered(texts)
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        rows, elements = self._elements(tokens, lengths)
        bits = np.zeros(len(tokens) * WORDS, np.uint64)
        hashed = _mixed(elements)
        word = (hashed >> np.uint64(6)).astype(np.int64) % WORDS
        np.bitwise_or.at(bits, rows * WORDS + word, np.uint64(1) << (hashed & np.uint64(63)))
        fine: Bits = bits.reshape(-1, WORDS)
        return Sketches(tokens, lengths, np.bitwise_or.reduce(fine, axis=1), fine), rows, elements

    def _numbered(self, texts: Sequence[str]) -> list[list[int]]:
        numbers = self._numbers
        number = numbers.setdefault
        return [[number(token, len(numbers)) for token in self._tokenize(text)] for text in texts]

    def _elements(self, tokens: Sequence[Sequence[int]], lengths: Ints) -> tuple[Ints, Ints]:
        flat = np.fromiter(chain.from_iterable(tokens), np.int64, int(lengths.sum()))
        span = len(self) + 1
        rows, elements = np.divmod(np.sort(np.repeat(np.arange(len(tokens)), lengths) * span + flat), span)
        same = np.zeros(len(rows), bool)
        same[1:] = (rows[1:] == rows[:-1]) & (elements[1:] == elements[:-1])
        place = np.arange(len(rows))
        occurrence = place - np.maximum.accumulate(np.where(same, 0, place))
        later = np.flatnonzero(same)
        # A later occurrence is called by the bits inverted, so that it is never mistaken for a token's name.
        names = ~(elements[later] << _OCCURRENCES | np.minimum(occurrence[later], (1 << _OCCURRENCES) - 1))
        different, back = np.unique(names, return_inverse=True)
        numbers = self._numbers
        known = [numbers.setdefault(name, len(numbers)) for name in different.tolist()]
        elements[later] = np.asarray(known, np.int64)[back]
        return rows, elements


def _mixed(values: Ints) -> Bits:
    """Splitmix64's last steps: bits that look like chance, the same on every machine."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)
