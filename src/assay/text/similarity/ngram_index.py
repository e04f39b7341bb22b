"""Exact index of n-grams: which indexed text shares the most n-grams with a text. Linear in the size of the texts.

N-grams are looked up by 64-bit hash in sorted tables, and hits are verified token by token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
_UNKNOWN_TOKEN = -1
"""Id of tokens that are not in the index."""
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Constants of splitmix64 (Steele, Lea and Flood 2014)."""


class SharedNgrams(NamedTuple):
    """N-grams that a text shares with an indexed text."""

    number: int
    """Position of the indexed text."""
    query_fraction: float
    """Fraction of the text's tokens that lie in a shared n-gram, in (0, 1]."""
    indexed_fraction: float
    """The same fraction of the indexed text's tokens."""
    span: tuple[int, int]
    """Start and end of the longest contiguous span of shared n-grams in the text."""

    @property
    def max_fraction(self) -> float:
        """The larger fraction; 1 if one text contains the other."""
        return max(self.query_fraction, self.indexed_fraction)


class NgramIndex:
    """Index of tokenized texts by their n-grams.

    If one of two texts has fewer than `n` tokens, that whole text is the n-gram.
    """

    def __init__(self, texts: Sequence[Sequence[str]], n: int) -> None:
        self._n = n
        self._numbers: dict[str, int] = {}
        ids = [self._numbers.setdefault(token, len(self._numbers)) for text in texts for token in text]
        self._ids = np.array(ids, np.int64)
        self._lengths = np.array([len(text) for text in texts], np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._owner = np.repeat(np.arange(len(texts)), self._lengths)
        self._short = [int(size) for size in np.unique(self._lengths) if 0 < size < n]
        self._tables: dict[tuple[int, bool], tuple[Hashes, Ints]] = {}

    def best_match(self, text: Sequence[str]) -> SharedNgrams | None:
        """Indexed text with the largest fraction, the first of equals; None if no n-gram is shared."""
        if not text:
            return None
        ids = np.array([self._numbers.get(token, _UNKNOWN_TOKEN) for token in text], np.int64)
        usual = min(self._n, len(text))
        matches = [self._best(ids, size, whole=True) for size in self._short if size < usual]
        matches.append(self._best(ids, usual, whole=False))
        return max(filter(None, matches), key=lambda match: (match.max_fraction, -match.number), default=None)

    def _best(self, ids: Ints, size: int, *, whole: bool) -> SharedNgrams | None:
        """Best match among texts of exactly `size` tokens (`whole`), or of at least `size`."""
        places, others = self._matches(ids, size, whole=whole)
        if not len(places):
            return None
        owners = self._owner[others]
        numbers, here = _count_covered(owners, places, size)
        _, there = _count_covered(owners, others, size)
        ours, theirs = here / len(ids), there / self._lengths[numbers]
        best = int(np.maximum(ours, theirs).argmax())
        run = _longest_span(places[owners == numbers[best]], size)
        return SharedNgrams(int(numbers[best]), float(ours[best]), float(theirs[best]), run)

    def _matches(self, ids: Ints, size: int, *, whole: bool) -> tuple[Ints, Ints]:
        """Positions in the text and in the index of every shared n-gram."""
        table, starts = self._table(size, whole=whole)
        hashes = _hashes(ids, size)
        first, last = (np.searchsorted(table, hashes, side) for side in ("left", "right"))
        counts = last - first
        places = np.repeat(np.arange(len(hashes)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        others = starts[np.repeat(first, counts) + within]
        same = np.ones(len(places), bool)
        for step in range(size):
            same &= ids[places + step] == self._ids[others + step]
        return places[same], others[same]

    def _table(self, size: int, *, whole: bool) -> tuple[Hashes, Ints]:
        """Sorted n-gram hashes and the start of each n-gram."""
        if (size, whole) not in self._tables:
            if whole:
                starts = self._starts[self._lengths == size]
            else:
                remaining = np.repeat(self._starts + self._lengths, self._lengths) - np.arange(len(self._ids))
                starts = np.flatnonzero(remaining >= size)
            hashes = _hashes(self._ids, size)[starts] if len(starts) else np.zeros(0, np.uint64)
            order = np.argsort(hashes, kind="stable")
            self._tables[size, whole] = hashes[order], starts[order]
        return self._tables[size, whole]


def _hashes(ids: Ints, size: int) -> Hashes:
    """Hashes of all n-grams of `size` tokens. Shape: (len(ids) - size + 1,)."""
    mixed = (ids.astype(np.uint64) + np.uint64(1)) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[1]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[2]
    mixed ^= mixed >> np.uint64(31)
    count = len(ids) - size + 1
    hashes = np.zeros(count, np.uint64)
    for step in range(size):
        hashes = hashes * _MIX[0] + mixed[step : step + count]
    return hashes


def _count_covered(owners: Ints, places: Ints, size: int) -> tuple[Ints, Ints]:
    """Sorted owners, and for each the number of distinct tokens in n-grams of `size` that start at `places`."""
    order = np.lexsort((places, owners))
    owners, places = owners[order], places[order]
    steps = np.full(len(places), size)
    steps[:-1] = np.where(owners[1:] == owners[:-1], np.minimum(places[1:] - places[:-1], size), size)
    numbers, inverse = np.unique(owners, return_inverse=True)
    return numbers, np.bincount(inverse, steps).astype(np.int64)


def _longest_span(places: Ints, size: int) -> tuple[int, int]:
    """Longest span of adjacent or overlapping n-grams, the first of equals."""
    places = np.unique(places)
    breaks = np.flatnonzero(np.diff(places) > size)
    starts, ends = places[np.r_[0, breaks + 1]], places[np.r_[breaks, len(places) - 1]] + size
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])
