"""Candidate pairs for similarity search, without false negatives: signatures and prefix filtering.

Signatures: the k-th occurrence of a token in a text is a separate element, so a text is a set of elements. Two texts of
m and n tokens whose sets differ in d elements share (m + n - d) / 2 tokens in any order, an upper bound of their LCS.
Each element sets one bit of the signature, so two signatures differ in at most d bits.

Prefix filtering: if two sets of m and n elements share o or more, then in any global order of elements one of the first
m - o + 1 elements of one set is among the first n - o + 1 of the other. With the rarest elements first, few pairs are
candidates.

Source: Bayardo, Ma and Srikant 2007, "Scaling Up All Pairs Similarity Search"; Xiao et al. 2008, "Efficient Similarity
Joins for Near Duplicate Detection" (PPJoin).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from assay.text.similarity.tokens import Tokenizer

IntArray: TypeAlias = npt.NDArray[np.int64]
BitArray: TypeAlias = npt.NDArray[np.uint64]

SIGNATURE_WORDS = 8
"""64-bit words of a fine signature: enough for a few hundred tokens; longer texts give more false positives."""
_OCCURRENCE_BITS = 20
"""Bits of an occurrence number. Occurrences after the millionth are one element, which only weakens the bound."""


@dataclass(frozen=True)
class Sketches:
    """Tokenized texts with their signatures."""

    tokens: Sequence[Sequence[int]]
    """Token ids of each text."""
    lengths: IntArray
    """Shape: (n,)."""
    coarse: BitArray
    """Shape: (n,). Bitwise OR of the words of the fine signature."""
    fine: BitArray
    """Shape: (n, WORDS)."""

    def __len__(self) -> int:
        return len(self.tokens)

    def part(self, start: int, end: int) -> Sketches:
        """Rows `start` to `end` (exclusive)."""
        return Sketches(self.tokens[start:end], self.lengths[start:end], self.coarse[start:end], self.fine[start:end])


class Vocabulary:
    """Ids of tokens, and of their repeated occurrences in a text, in order of first appearance."""

    def __init__(self, tokenize: Tokenizer) -> None:
        self._tokenize = tokenize
        self._numbers: dict[str | int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def sketch(self, texts: Sequence[str]) -> tuple[Sketches, IntArray, IntArray]:
        """Sketches of `texts`, then the row of each element, ascending, and its id.

        Shapes: `Sketches`, (e,) and (e,), where e is the number of tokens.
        """
        tokens = self._encode(texts)
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        rows, elements = self._elements(tokens, lengths)
        bits = np.zeros(len(tokens) * SIGNATURE_WORDS, np.uint64)
        hashed = _splitmix64(elements)
        word = (hashed >> np.uint64(6)).astype(np.int64) % SIGNATURE_WORDS
        np.bitwise_or.at(bits, rows * SIGNATURE_WORDS + word, np.uint64(1) << (hashed & np.uint64(63)))
        fine: BitArray = bits.reshape(-1, SIGNATURE_WORDS)
        return Sketches(tokens, lengths, np.bitwise_or.reduce(fine, axis=1), fine), rows, elements

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        numbers = self._numbers
        number = numbers.setdefault
        return [[number(token, len(numbers)) for token in self._tokenize(text)] for text in texts]

    def _elements(self, tokens: Sequence[Sequence[int]], lengths: IntArray) -> tuple[IntArray, IntArray]:
        flat = np.fromiter(chain.from_iterable(tokens), np.int64, int(lengths.sum()))
        span = len(self) + 1
        rows, elements = np.divmod(np.sort(np.repeat(np.arange(len(tokens)), lengths) * span + flat), span)
        same = np.zeros(len(rows), bool)
        same[1:] = (rows[1:] == rows[:-1]) & (elements[1:] == elements[:-1])
        index = np.arange(len(rows))
        occurrence = index - np.maximum.accumulate(np.where(same, 0, index))
        later = np.flatnonzero(same)
        # Inverted bits make keys of repeated occurrences negative, so they never equal a token.
        keys = ~(elements[later] << _OCCURRENCE_BITS | np.minimum(occurrence[later], (1 << _OCCURRENCE_BITS) - 1))
        unique_keys, inverse = np.unique(keys, return_inverse=True)
        numbers = self._numbers
        ids = [numbers.setdefault(key, len(numbers)) for key in unique_keys.tolist()]
        elements[later] = np.asarray(ids, np.int64)[inverse]
        return rows, elements


def _splitmix64(values: IntArray) -> BitArray:
    """Finalizer of splitmix64: hash values that are the same on every machine."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)


PAIRS_PER_CHUNK = 1 << 17
"""Pairs processed together: their arrays of one megabyte each fit in the processor cache."""
MIN_MERGE = 1024
"""Postings in the short run before it is merged, in addition to an eighth of the long run."""


class ElementRanks:
    """Stable global order of elements: rarest first, by the counts known when each element first appeared."""

    def __init__(self) -> None:
        self._ranks = np.zeros(0, np.int64)
        self._lowest = 0

    def of(self, elements: IntArray, size: int) -> IntArray:
        """Rank of each element, negative; `size` exceeds every element id."""
        if size > len(self._ranks):
            self._ranks = np.concatenate((self._ranks, np.zeros(max(size, len(self._ranks)), np.int64)))
        new, counts = np.unique(elements[self._ranks[elements] == 0], return_counts=True)
        # New elements are rarer than known ones; the most frequent new element ranks last among them.
        self._ranks[new[np.argsort(-counts, kind="stable")]] = self._lowest - 1 - np.arange(len(new))
        self._lowest -= len(new)
        return self._ranks[elements]


@dataclass(frozen=True)
class Prefixes:
    """Prefixes (rarest elements) of texts. Shapes: (e,) and (e,)."""

    rows: IntArray
    """Row of the text, ascending."""
    ranks: IntArray

    def part(self, start: int, end: int) -> Prefixes:
        """Prefixes of texts `start` to `end` (exclusive), rows renumbered from 0."""
        first, last = np.searchsorted(self.rows, [start, end])
        return Prefixes(self.rows[first:last] - start, self.ranks[first:last])

    def select(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Prefixes:
        """Prefixes of the rows where `chosen` is true."""
        mask = chosen[self.rows]
        return Prefixes(self.rows[mask], self.ranks[mask])


def prefixes(rows: IntArray, ranks: IntArray, lengths: IntArray, min_shared: IntArray) -> Prefixes:
    """Prefixes of texts for matches that share at least `min_shared` of a text's tokens."""
    if not len(rows):
        return Prefixes(rows, ranks)
    low = int(ranks.min())
    span = int(ranks.max()) - low + 1
    rows, ranks = np.divmod(np.sort(rows * span + ranks - low), span)
    position = np.arange(len(rows)) - (np.cumsum(lengths) - lengths)[rows]
    first = position < (lengths - min_shared + 1)[rows]
    return Prefixes(rows[first], ranks[first] + low)


class Postings:
    """Inverted index from element rank to text: a long sorted run, and a short one with the latest additions."""

    def __init__(self) -> None:
        self._runs = [_EMPTY, _EMPTY]

    def add(self, prefixes: Prefixes) -> None:
        """Add prefixes whose rows are text numbers."""
        long, short = self._runs
        short = _merged(short, prefixes)
        if len(short.rows) > MIN_MERGE + len(long.rows) // 8:
            long, short = _merged(long, short), _EMPTY
        self._runs = [long, short]

    def matches(self, prefixes: Prefixes) -> Iterator[tuple[IntArray, IntArray]]:
        """(row, indexed text) for each shared prefix element, in chunks; a pair repeats for each shared element."""
        for run in self._runs:
            start = np.searchsorted(run.ranks, prefixes.ranks, "left")
            count = np.searchsorted(run.ranks, prefixes.ranks, "right") - start
            hits = np.flatnonzero(count)
            rows, start, count = prefixes.rows[hits], start[hits], count[hits]
            ends = np.cumsum(count)
            first = 0
            while first < len(ends):
                before = ends[first - 1] if first else 0
                last = max(first + 1, int(np.searchsorted(ends, before + PAIRS_PER_CHUNK, "right")))
                part = count[first:last]
                # Positions in the run, from the start of each element.
                shift = start[first:last] - (ends[first:last] - part - before)
                positions = np.arange(int(ends[last - 1] - before)) + np.repeat(shift, part)
                yield np.repeat(rows[first:last], part), run.rows[positions]
                first = last


_EMPTY = Prefixes(np.zeros(0, np.int64), np.zeros(0, np.int64))


class IndexedTexts:
    """Sketches and postings of the texts to compare with, in arrays that grow by doubling."""

    def __init__(self) -> None:
        self.tokens: list[Sequence[int]] = []
        self.input_numbers: list[int] = []
        """Input position of each text."""
        self.longest = 0
        """Tokens of the longest text."""
        self.postings = Postings()
        self._lengths: IntArray = np.zeros(64, np.int64)
        self._coarse: BitArray = np.zeros(64, np.uint64)
        self._fine: BitArray = np.zeros((64, SIGNATURE_WORDS), np.uint64)

    def sketches(self) -> Sketches:
        """Sketches of all texts, without a copy."""
        size = len(self.tokens)
        return Sketches(self.tokens, self._lengths[:size], self._coarse[:size], self._fine[:size])

    def add(self, block: Sketches, block_prefixes: Prefixes, rows: IntArray, first_number: int) -> None:
        """Add the `rows` of a block whose first text has the input position `first_number`."""
        start, end = len(self.tokens), len(self.tokens) + len(rows)
        while end > len(self._lengths):
            capacity = 2 * len(self._lengths)
            self._lengths, self._coarse = np.resize(self._lengths, capacity), np.resize(self._coarse, capacity)
            self._fine = np.resize(self._fine, (capacity, SIGNATURE_WORDS))
        self._lengths[start:end], self._coarse[start:end] = block.lengths[rows], block.coarse[rows]
        self._fine[start:end] = block.fine[rows]
        self.tokens += [block.tokens[row] for row in rows.tolist()]
        self.input_numbers += (rows + first_number).tolist()
        self.longest = max(self.longest, int(block.lengths[rows].max(initial=0)))
        slots = np.full(len(block), -1, np.int64)
        slots[rows] = np.arange(start, end)
        selected = block_prefixes.select(slots >= 0)
        self.postings.add(Prefixes(slots[selected.rows], selected.ranks))


def _merged(run: Prefixes, more: Prefixes) -> Prefixes:
    order = np.argsort(more.ranks, kind="stable")
    ranks, rows = more.ranks[order], more.rows[order]
    at = np.searchsorted(run.ranks, ranks, "right")
    return Prefixes(np.insert(run.rows, at, rows), np.insert(run.ranks, at, ranks))
