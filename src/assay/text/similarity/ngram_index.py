"""Which text of many shares most with another, by runs of words that both have? Exact, and linear in the texts.

Runs are found by 64-bit hashes in sorted tables, and what a hash finds is compared word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
_UNKNOWN = -1
"""A token that no text of the index has."""
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Constants of splitmix64 (Steele, Lea and Flood 2014)."""


class RunOverlap(NamedTuple):
    """What one text shares with another."""

    number: int
    """Of the other, as it was given."""
    own: float
    """Share of the text's tokens that lie in a shared run, above 0 and at most 1."""
    other: float
    """Share of the other's tokens that do."""
    run: tuple[int, int]
    """Where the text's longest stretch of shared runs begins and ends."""

    @property
    def share(self) -> float:
        """The larger of both: a text that holds the other whole, or lies whole in it, has 1."""
        return max(self.own, self.other)


class GramIndex:
    """Texts as tokens, to be asked which of them shares most with a text.

    Two texts share the runs of `n` tokens that both have, in whichever places. Where one of them has fewer than `n`
    tokens, runs are as long as that one, which is then there whole or not at all.
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

    def most(self, text: Sequence[str]) -> RunOverlap | None:
        """The text of the index with the largest share, the first of equals; None where no run is shared."""
        if not text:
            return None
        own = np.array([self._numbers.get(token, _UNKNOWN) for token in text], np.int64)
        usual = min(self._n, len(text))
        found = [self._best(own, size, whole=True) for size in self._short if size < usual]
        found.append(self._best(own, usual, whole=False))
        return max((one for one in found if one), key=lambda one: (one.share, -one.number), default=None)

    def _best(self, own: Ints, size: int, *, whole: bool) -> RunOverlap | None:
        """The same among texts of just `size` tokens, or of at least as many."""
        places, others = self._meetings(own, size, whole=whole)
        if not len(places):
            return None
        owners = self._owner[others]
        numbers, here = _covered(owners, places, size)
        _, there = _covered(owners, others, size)
        ours, theirs = here / len(own), there / self._lengths[numbers]
        best = int(np.maximum(ours, theirs).argmax())
        run = _longest(places[owners == numbers[best]], size)
        return RunOverlap(int(numbers[best]), float(ours[best]), float(theirs[best]), run)

    def _meetings(self, own: Ints, size: int, *, whole: bool) -> tuple[Ints, Ints]:
        """Where a run stands in the text, and where in the index, of every run that both have."""
        table, starts = self._table(size, whole=whole)
        hashes = _hashes(own, size)
        first, last = (np.searchsorted(table, hashes, side) for side in ("left", "right"))
        counts = last - first
        places = np.repeat(np.arange(len(hashes)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        others = starts[np.repeat(first, counts) + within]
        same = np.ones(len(places), bool)
        for step in range(size):
            same &= own[places + step] == self._ids[others + step]
        return places[same], others[same]

    def _table(self, size: int, *, whole: bool) -> tuple[Hashes, Ints]:
        """Hashes of runs in order, and where each begins."""
        if (size, whole) not in self._tables:
            if whole:
                starts = self._starts[self._lengths == size]
            else:
                left = np.repeat(self._starts + self._lengths, self._lengths) - np.arange(len(self._ids))
                starts = np.flatnonzero(left >= size)
            hashes = _hashes(self._ids, size)[starts] if len(starts) else np.zeros(0, np.uint64)
            order = np.argsort(hashes, kind="stable")
            self._tables[size, whole] = hashes[order], starts[order]
        return self._tables[size, whole]


def _hashes(ids: Ints, size: int) -> Hashes:
    """Of every run of `size`. Shape: (len(ids) - size + 1,)."""
    mixed = (ids.astype(np.uint64) + np.uint64(1)) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[1]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[2]
    mixed ^= mixed >> np.uint64(31)
    count = len(ids) - size + 1
    found = np.zeros(count, np.uint64)
    for step in range(size):
        found = found * _MIX[0] + mixed[step : step + count]
    return found


def _covered(owners: Ints, places: Ints, size: int) -> tuple[Ints, Ints]:
    """Owners in order, and how many tokens lie in runs of `size` that begin at those places, each once."""
    order = np.lexsort((places, owners))
    owners, places = owners[order], places[order]
    steps = np.full(len(places), size)
    steps[:-1] = np.where(owners[1:] == owners[:-1], np.minimum(places[1:] - places[:-1], size), size)
    numbers, inverse = np.unique(owners, return_inverse=True)
    return numbers, np.bincount(inverse, steps).astype(np.int64)


def _longest(places: Ints, size: int) -> tuple[int, int]:
    """The longest stretch of runs that touch, the first of equals."""
    places = np.unique(places)
    breaks = np.flatnonzero(np.diff(places) > size)
    starts, ends = places[np.r_[0, breaks + 1]], places[np.r_[breaks, len(places) - 1]] + size
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])
