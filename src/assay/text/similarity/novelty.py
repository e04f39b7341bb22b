"""Novelty filter of Self-Instruct: keep a text if its ROUGE-L F with every text kept before is below a threshold.

Exact, although few pairs are compared. F is 2 s / (m + n) for texts of m and n tokens whose longest common subsequence
has s tokens. Prefix filtering finds the pairs that can share enough tokens, signatures exclude pairs by an upper bound
of s (see `candidates`), and `lcs` computes the rest.

Source: Wang et al. 2022, "Self-Instruct", section 2.2; yizhongw/self-instruct, bootstrap_instructions.py, drops if
`max(rouge_scores) > 0.7`, while the paper says "below 0.7": `NoveltyRule` supports both. Our default tokenizer is
`tokens`, for every script; with `ascii_tokens`, that of rouge_score, the decisions are identical to theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.text.similarity.candidates import (
    ElementRanks,
    IndexedTexts,
    IntArray,
    Postings,
    Prefixes,
    Sketches,
    Vocabulary,
    prefixes,
)
from assay.text.similarity.lcs import lcs_length
from assay.text.similarity.rouge import rouge_f1
from assay.text.similarity.tokens import Tokenizer, tokens

SKETCH_BATCH = 1 << 16
"""Texts sketched at a time; bounds memory."""
MIN_BLOCK, MAX_BLOCK = 256, 8192
"""Floats of the block size: a quarter of the kept texts, because texts are also compared within their block."""
LONG_TEXT = 2048
"""Tokens from which a bag-of-words bound is computed before the LCS."""
_TOLERANCE = 1e-7
"""Rounding of products that should be whole numbers; F itself is compared exactly."""


@dataclass(frozen=True)
class NoveltyRule:
    """A text is novel if its F with every kept text is at most `limit`, or below it if `strict`."""

    limit: float = 0.7
    strict: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.limit <= 1:
            raise ValueError(f"The limit of ROUGE-L F must be above 0 and at most 1, was {self.limit}.")

    def rejects(self, f: float) -> bool:
        """Whether `f` is too high."""
        return f >= self.limit if self.strict else f > self.limit

    def min_shared_of_pair(self, sizes: IntArray) -> IntArray:
        """Minimum number of shared tokens of a rejected pair, by the total number of tokens of both."""
        return _ceil_to_at_least_one(self.limit * sizes / 2)

    def min_shared_of_text(self, lengths: IntArray) -> IntArray:
        """Minimum number of tokens that a text of this length shares with any text that rejects it."""
        return _ceil_to_at_least_one(self.limit * lengths / (2 - self.limit))

    def accepts(self, shared: IntArray, lengths: IntArray, other_lengths: IntArray) -> npt.NDArray[np.bool_]:
        """Whether pairs with these lengths and numbers of shared tokens are accepted, rounded as in `rouge_f1`."""
        precision, recall = shared / lengths, shared / other_lengths
        f = 2 * precision * recall / (precision + recall)
        return f < self.limit if self.strict else f <= self.limit

    def __str__(self) -> str:
        return f"{'<' if self.strict else '<='} {self.limit:g}"


def _ceil_to_at_least_one(shared: npt.NDArray[np.floating[Any]]) -> IntArray:
    whole: IntArray = np.ceil(shared - _TOLERANCE).astype(np.int64)
    return np.maximum(whole, 1)


class NoveltyDecision(NamedTuple):
    """Decision on one text."""

    kept: bool
    nearest: int | None
    """If dropped: the most similar kept text, the first of equals, counted from 0 over all input texts; else None."""
    score: float
    """F with that text; 0.0 if kept, as the exact F is not computed then."""


class NoveltyFilter:
    """Incremental novelty filter; single texts and batches give the same decisions.

    A text without tokens is kept, as in the published code.
    """

    def __init__(
        self, rule: NoveltyRule = NoveltyRule(), tokenize: Tokenizer = tokens, *, block: int | None = None
    ) -> None:
        self._rule = rule
        self._block = block
        self._vocabulary = Vocabulary(tokenize)
        self._ranks = ElementRanks()
        self._inputs = 0
        self._kept = IndexedTexts()
        # Maximum number of differing elements of a rejected pair, by the total number of tokens of both.
        self._max_differing = np.zeros(0, np.int64)

    @property
    def kept(self) -> int:
        """Number of indexed texts: kept or added as references."""
        return len(self._kept.tokens)

    def add(self, text: str) -> NoveltyDecision:
        """Decide on one text, and index it if kept."""
        (decision,) = self.add_all([text])
        return decision

    def add_all(self, texts: Iterable[str]) -> list[NoveltyDecision]:
        """Decide on texts in order, as repeated calls of `add`."""
        decisions: list[NoveltyDecision] = []
        for sketches, text_prefixes in self._batches(texts):
            start = 0
            while start < len(sketches):
                end = min(start + self._size(), len(sketches))
                decisions += self._decide(sketches.part(start, end), text_prefixes.part(start, end))
                start = end
        return decisions

    def check(self, texts: Iterable[str]) -> list[NoveltyDecision]:
        """Decide on texts against the index only, without adding them."""
        decisions: list[NoveltyDecision] = []
        for sketches, text_prefixes in self._batches(texts):
            for start in range(0, len(sketches), MAX_BLOCK):
                end = min(start + MAX_BLOCK, len(sketches))
                block = _BlockDecisions(sketches.part(start, end), self._rule)
                self._compare(block, sketches.part(start, end), text_prefixes.part(start, end))
                decisions += block.decisions()
        return decisions

    def add_references(self, texts: Iterable[str]) -> None:
        """Index texts unconditionally, such as human-written tasks."""
        for sketches, text_prefixes in self._batches(texts):
            self._index(sketches, text_prefixes, np.arange(len(sketches)))

    def _size(self) -> int:
        return self._block or min(max(MIN_BLOCK, self.kept // 4), MAX_BLOCK)

    def _batches(self, texts: Iterable[str]) -> Iterator[tuple[Sketches, Prefixes]]:
        rest = iter(texts)
        while batch := list(islice(rest, SKETCH_BATCH)):
            sketches, rows, elements = self._vocabulary.sketch(batch)
            ranks = self._ranks.of(elements, len(self._vocabulary))
            min_shared = self._rule.min_shared_of_text(sketches.lengths)
            largest = 2 * max(int(sketches.lengths.max()), self._kept.longest)
            if largest >= len(self._max_differing):
                sizes = np.arange(2 * largest + 1)
                self._max_differing = sizes - 2 * self._rule.min_shared_of_pair(sizes)
            yield sketches, prefixes(rows, ranks, sketches.lengths, min_shared)

    def _decide(self, block: Sketches, block_prefixes: Prefixes) -> list[NoveltyDecision]:
        state = _BlockDecisions(block, self._rule)
        self._compare(state, block, block_prefixes)
        # Within the block, in order: dropped texts are not compared with, and exact copies need no further comparison.
        postings = Postings()
        postings.add(block_prefixes.select(state.scores == 0.0))
        open_prefixes = block_prefixes.select(state.scores < 1.0)
        for row, other in self._candidates(block, open_prefixes, block, postings, among=True):
            if not state.scores[other]:
                state.compare(row, block.tokens[other], self._inputs + other)
        decisions = state.decisions()
        self._index(block, block_prefixes, np.flatnonzero(state.scores == 0.0))
        return decisions

    def _compare(self, state: _BlockDecisions, block: Sketches, block_prefixes: Prefixes) -> None:
        """Compare a block with all indexed texts."""
        indexed = self._kept
        for row, other in self._candidates(block, block_prefixes, indexed.sketches(), indexed.postings):
            state.compare(row, indexed.tokens[other], indexed.input_numbers[other])

    def _candidates(
        self, block: Sketches, block_prefixes: Prefixes, indexed: Sketches, postings: Postings, *, among: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Candidate pairs (row of the block, number of an indexed text), unique and sorted."""
        keys = []
        for rows, others in postings.matches(block_prefixes):
            if among:
                earlier = others < rows
                rows, others = rows[earlier], others[earlier]
            m, n = block.lengths[rows], indexed.lengths[others]
            limit = self._max_differing[m + n]
            differ = np.bitwise_count(block.coarse[rows] ^ indexed.coarse[others])
            passed = np.flatnonzero((differ <= limit) & (np.abs(m - n) <= limit))
            rows, others, limit = rows[passed], others[passed], limit[passed]
            # Exactly at the limit the rounding of F decides, which depends on the pair of lengths.
            m, n = block.lengths[rows], indexed.lengths[others]
            limit = limit - 2 * self._rule.accepts(m + n - limit >> 1, m, n)
            differ = np.bitwise_count(block.fine[rows] ^ indexed.fine[others]).sum(1, dtype=np.int64)
            passed = differ <= limit
            keys.append(rows[passed] * (len(indexed) + 1) + others[passed])
        pairs = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
        rows, others = np.divmod(pairs, len(indexed) + 1)
        return zip(rows.tolist(), others.tolist(), strict=True)

    def _index(self, block: Sketches, block_prefixes: Prefixes, rows: IntArray) -> None:
        self._kept.add(block, block_prefixes, rows, self._inputs)
        self._inputs += len(block)


class _BlockDecisions:
    """Nearest rejecting text of each text of a block."""

    def __init__(self, block: Sketches, rule: NoveltyRule) -> None:
        self._block = block
        self._rule = rule
        self._nearest = [-1] * len(block)
        self.scores = np.zeros(len(block))

    def compare(self, row: int, other: Sequence[int], number: int) -> None:
        """Compare a row with one text; calls are sorted by row and number, so the first of equals is the nearest."""
        query = self._block.tokens[row]
        f = rouge_f1(self._shared(query, other), len(query), len(other))
        if f > self.scores[row] and self._rule.rejects(f):
            self.scores[row], self._nearest[row] = f, number

    def _shared(self, query: Sequence[int], other: Sequence[int]) -> int:
        if min(len(query), len(other)) <= LONG_TEXT:
            return lcs_length(query, other)
        bound = (Counter(query) & Counter(other)).total()
        return lcs_length(query, other) if self._rule.rejects(rouge_f1(bound, len(query), len(other))) else 0

    def decisions(self) -> list[NoveltyDecision]:
        """Decisions in row order."""
        return [
            NoveltyDecision(False, nearest, score) if nearest >= 0 else _KEPT
            for nearest, score in zip(self._nearest, self.scores.tolist(), strict=True)
        ]


_KEPT = NoveltyDecision(True, None, 0.0)
