"""Which texts could be alike at all: those that share one of their rarest elements.

If two sets of m and n elements share o or more, then in any order of all elements one of the first m - o + 1 of the one
is among the first n - o + 1 of the other. With the rarest first, few texts meet there.

Source: Bayardo, Ma and Srikant 2007, "Scaling Up All Pairs Similarity Search"; Xiao et al. 2008, "Efficient Similarity
Joins for Near Duplicate Detection" (PPJoin).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.text.similarity.sketches import WORDS, Bits, Ints, Sketches

CHUNK = 1 << 17
"""Meetings looked at together: their arrays of a megabyte each stay in a processor's cache."""
TAIL = 1024
"""Postings that may wait before they are merged into the others, beside an eighth of those."""


class Ranks:
    """An order of elements that never changes once given: rarest first as far as was known when each was first met."""

    def __init__(self) -> None:
        self._ranks = np.zeros(0, np.int64)
        self._lowest = 0

    def of(self, elements: Ints, size: int) -> Ints:
        """The rank of each, below zero; `size` is above every number of an element."""
        if size > len(self._ranks):
            self._ranks = np.concatenate((self._ranks, np.zeros(max(size, len(self._ranks)), np.int64)))
        new, counts = np.unique(elements[self._ranks[elements] == 0], return_counts=True)
        # What is new is rarer than what is known; the commonest of it comes last.
        self._ranks[new[np.argsort(-counts, kind="stable")]] = self._lowest - 1 - np.arange(len(new))
        self._lowest -= len(new)
        return self._ranks[elements]


@dataclass(frozen=True)
class Prefixes:
    """The rarest elements of texts, by text. Shapes: (e,) and (e,)."""

    rows: Ints
    """Which text, rising."""
    ranks: Ints

    def part(self, start: int, end: int) -> Prefixes:
        """Of the texts from `start` to before `end`, which are counted from 0."""
        first, last = np.searchsorted(self.rows, [start, end])
        return Prefixes(self.rows[first:last] - start, self.ranks[first:last])

    def of(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Prefixes:
        """Of those texts alone that `chosen` holds true of, by row."""
        there = chosen[self.rows]
        return Prefixes(self.rows[there], self.ranks[there])


def prefixes(rows: Ints, ranks: Ints, lengths: Ints, least: Ints) -> Prefixes:
    """The prefixes of texts whose elements are given, where what matters shares `least` or more of a text's tokens."""
    if not len(rows):
        return Prefixes(rows, ranks)
    low = int(ranks.min())
    span = int(ranks.max()) - low + 1
    rows, ranks = np.divmod(np.sort(rows * span + ranks - low), span)
    place = np.arange(len(rows)) - (np.cumsum(lengths) - lengths)[rows]
    first = place < (lengths - least + 1)[rows]
    return Prefixes(rows[first], ranks[first] + low)


class Postings:
    """Who has which element in its prefix, by rank: a long sorted run, and a short one of what was added last."""

    def __init__(self) -> None:
        self._runs = [_EMPTY, _EMPTY]

    def add(self, prefixes: Prefixes) -> None:
        """Adds prefixes whose rows are the owners' numbers."""
        long, short = self._runs
        short = _merged(short, prefixes)
        if len(short.rows) > TAIL + len(long.rows) // 8:
            long, short = _merged(long, short), _EMPTY
        self._runs = [long, short]

    def meetings(self, prefixes: Prefixes) -> Iterator[tuple[Ints, Ints]]:
        """(row, owner) for each element that they share, in chunks; a pair comes as often as it shares one."""
        for run in self._runs:
            start = np.searchsorted(run.ranks, prefixes.ranks, "left")
            count = np.searchsorted(run.ranks, prefixes.ranks, "right") - start
            met = np.flatnonzero(count)
            rows, start, count = prefixes.rows[met], start[met], count[met]
            ends = np.cumsum(count)
            done = 0
            while done < len(ends):
                before = ends[done - 1] if done else 0
                last = max(done + 1, int(np.searchsorted(ends, before + CHUNK, "right")))
                part = count[done:last]
                # Places in the run: for each element from its start on.
                shift = start[done:last] - (ends[done:last] - part - before)
                places = np.arange(int(ends[last - 1] - before)) + np.repeat(shift, part)
                yield np.repeat(rows[done:last], part), run.rows[places]
                done = last


_EMPTY = Prefixes(np.zeros(0, np.int64), np.zeros(0, np.int64))


class Held:
    """Texts that others are compared with: their sketches and postings, in arrays that grow by doubling."""

    def __init__(self) -> None:
        self.tokens: list[Sequence[int]] = []
        self.given: list[int] = []
        """The number that each was given by."""
        self.longest = 0
        """Tokens of the longest."""
        self.postings = Postings()
        self._lengths: Ints = np.zeros(64, np.int64)
        self._coarse: Bits = np.zeros(64, np.uint64)
        self._fine: Bits = np.zeros((64, WORDS), np.uint64)

    def sketches(self) -> Sketches:
        """Of all, without a copy."""
        size = len(self.tokens)
        return Sketches(self.tokens, self._lengths[:size], self._coarse[:size], self._fine[:size])

    def add(self, block: Sketches, firsts: Prefixes, rows: Ints, given: int) -> None:
        """Adds the `rows` of a block that began with the text of the number `given`."""
        start, end = len(self.tokens), len(self.tokens) + len(rows)
        while end > len(self._lengths):
            room = 2 * len(self._lengths)
            self._lengths, self._coarse = np.resize(self._lengths, room), np.resize(self._coarse, room)
            self._fine = np.resize(self._fine, (room, WORDS))
        self._lengths[start:end], self._coarse[start:end] = block.lengths[rows], block.coarse[rows]
        self._fine[start:end] = block.fine[rows]
        self.tokens += [block.tokens[row] for row in rows.tolist()]
        self.given += (rows + given).tolist()
        self.longest = max(self.longest, int(block.lengths[rows].max(initial=0)))
        slots = np.full(len(block), -1, np.int64)
        slots[rows] = np.arange(start, end)
        mine = firsts.of(slots >= 0)
        self.postings.add(Prefixes(slots[mine.rows], mine.ranks))


def _merged(run: Prefixes, more: Prefixes) -> Prefixes:
    order = np.argsort(more.ranks, kind="stable")
    ranks, rows = more.ranks[order], more.rows[order]
    at = np.searchsorted(run.ranks, ranks, "right")
    return Prefixes(np.insert(run.rows, at, rows), np.insert(run.ranks, at, ranks))
