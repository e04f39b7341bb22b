"""Self-Instruct's novelty filter: a text is kept when it is not too like any kept before it, by ROUGE-L's F.

Exact, though few pairs are ever compared. F is 2 s / (m + n) for texts of m and n tokens whose longest common
subsequence has s of them, and no pair is lost on the way there: `prefixes` finds those that could share enough tokens,
`sketches` drops those whose lengths or signatures say they do not, and `lcs` decides of the rest.

Source: Wang et al. 2022, "Self-Instruct", section 2.2; yizhongw/self-instruct, bootstrap_instructions.py, drops where
`max(rouge_scores) > 0.7`, while the paper says "below 0.7": `Rule` has both. We differ in the words: by default those
of `tokens`, which knows every script; with `ascii_tokens`, which are rouge_score's, the decisions are theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.text.similarity.lcs import BLOCK, lcs_length, length_by_masks, masks_of
from assay.text.similarity.prefixes import Held, Postings, Prefixes, Ranks, prefixes
from assay.text.similarity.rouge import f_of
from assay.text.similarity.sketches import Ints, Sketches, Vocabulary
from assay.text.similarity.tokens import Tokenizer, tokens

SLAB = 1 << 16
"""Texts made ready at a time, which bounds the memory that many take."""
SMALLEST, LARGEST = 256, 8192
"""Texts judged at a time: a quarter of what is kept, for each is also compared with the others of its block."""
LONG = 2048
"""Tokens from which on it is cheaper to count what two texts share in any order before in one."""
_SLACK = 1e-7
"""Products of floats may lie above a whole number that they should be; F itself is compared without any slack."""


@dataclass(frozen=True)
class Rule:
    """When a text is new enough: its F with everything kept before is at most `limit`, or below it where `strict`."""

    limit: float = 0.7
    strict: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.limit <= 1:
            raise ValueError(f"The limit of ROUGE-L F must be above 0 and at most 1, was {self.limit}.")

    def refuses(self, f: float) -> bool:
        """Whether `f` is too much."""
        return f >= self.limit if self.strict else f > self.limit

    def shared(self, sizes: Ints) -> Ints:
        """How many tokens two texts of so many together share at least, where they are too alike."""
        return _at_least_one(self.limit * sizes / 2)

    def shared_of(self, lengths: Ints) -> Ints:
        """How many of its tokens a text of such a length shares at least with any that it is too like."""
        return _at_least_one(self.limit * lengths / (2 - self.limit))

    def lets_pass(self, shared: Ints, own: Ints, others: Ints) -> npt.NDArray[np.bool_]:
        """Whether texts of such lengths that share so many tokens are not too alike, by the roundings of `f_of`."""
        precision, recall = shared / own, shared / others
        f = 2 * precision * recall / (precision + recall)
        return f < self.limit if self.strict else f <= self.limit

    def __str__(self) -> str:
        return f"{'<' if self.strict else '<='} {self.limit:g}"


def _at_least_one(shared: npt.NDArray[np.floating[Any]]) -> Ints:
    whole: Ints = np.ceil(shared - _SLACK).astype(np.int64)
    return np.maximum(whole, 1)


class Novelty(NamedTuple):
    """What was decided of a text."""

    kept: bool
    nearest: int | None
    """Of a text that was not kept: the kept one most like it, the first of those; counted from 0 over all texts given.

    None where it was kept."""
    score: float
    """The F of the two; 0.0 where the text was kept, as no more is known than that the rule holds."""


class NoveltyFilter:
    """Judges texts one by one or in batches, each against all that were kept before it, with the same decisions.

    A text without tokens is like nothing and is kept, as with the published code.
    """

    def __init__(self, rule: Rule = Rule(), tokenize: Tokenizer = tokens, *, block: int | None = None) -> None:
        self._rule = rule
        self._block = block
        self._vocabulary = Vocabulary(tokenize)
        self._ranks = Ranks()
        self._given = 0
        self._kept = Held()
        # Of two texts of so many tokens together: in how many elements they differ at most where they are too alike.
        self._differing = np.zeros(0, np.int64)

    @property
    def kept(self) -> int:
        """How many texts are held: kept or remembered."""
        return len(self._kept.tokens)

    def add(self, text: str) -> Novelty:
        """Judges one text, and holds it where it is kept."""
        (found,) = self.add_all([text])
        return found

    def add_all(self, texts: Iterable[str]) -> list[Novelty]:
        """Judges texts in their order, as `add` would one after the other."""
        found: list[Novelty] = []
        for sketches, firsts in self._slabs(texts):
            done = 0
            while done < len(sketches):
                end = min(done + self._size(), len(sketches))
                found += self._judge(sketches.part(done, end), firsts.part(done, end))
                done = end
        return found

    def look(self, texts: Iterable[str]) -> list[Novelty]:
        """Judges texts against what is held, not against each other, and holds none of them."""
        found: list[Novelty] = []
        for sketches, firsts in self._slabs(texts):
            for start in range(0, len(sketches), LARGEST):
                end = min(start + LARGEST, len(sketches))
                judged = _Judged(sketches.part(start, end), self._rule)
                self._compare(judged, sketches.part(start, end), firsts.part(start, end))
                found += judged.found()
        return found

    def remember(self, texts: Iterable[str]) -> None:
        """Holds texts whatever they are like, such as the tasks that people wrote."""
        for sketches, firsts in self._slabs(texts):
            self._hold(sketches, firsts, np.arange(len(sketches)))

    def _size(self) -> int:
        return self._block or min(max(SMALLEST, self.kept // 4), LARGEST)

    def _slabs(self, texts: Iterable[str]) -> Iterator[tuple[Sketches, Prefixes]]:
        rest = iter(texts)
        while slab := list(islice(rest, SLAB)):
            sketches, rows, elements = self._vocabulary.sketch(slab)
            ranks = self._ranks.of(elements, len(self._vocabulary))
            least = self._rule.shared_of(sketches.lengths)
            largest = 2 * max(int(sketches.lengths.max()), self._kept.longest)
            if largest >= len(self._differing):
                sizes = np.arange(2 * largest + 1)
                self._differing = sizes - 2 * self._rule.shared(sizes)
            yield sketches, prefixes(rows, ranks, sketches.lengths, least)

    def _judge(self, block: Sketches, firsts: Prefixes) -> list[Novelty]:
        judged = _Judged(block, self._rule)
        self._compare(judged, block, firsts)
        # Among themselves, in order: what is dropped already is nobody's neighbor, what has a copy needs no other.
        own = Postings()
        own.add(firsts.of(judged.scores == 0.0))
        for row, other in self._candidates(block, firsts.of(judged.scores < 1.0), block, own, among=True):
            if not judged.scores[other]:
                judged.compare(row, block.tokens[other], self._given + other)
        found = judged.found()
        self._hold(block, firsts, np.flatnonzero(judged.scores == 0.0))
        return found

    def _compare(self, judged: _Judged, block: Sketches, firsts: Prefixes) -> None:
        """Of a block, with all that is held."""
        kept = self._kept
        for row, other in self._candidates(block, firsts, kept.sketches(), kept.postings):
            judged.compare(row, kept.tokens[other], kept.given[other])

    def _candidates(
        self, block: Sketches, firsts: Prefixes, held: Sketches, postings: Postings, *, among: bool = False
    ) -> Iterator[tuple[int, int]]:
        """(row of the block, number of a held text) that could be too alike, each once, in order."""
        found = []
        for rows, others in postings.meetings(firsts):
            if among:
                earlier = others < rows
                rows, others = rows[earlier], others[earlier]
            own, theirs = block.lengths[rows], held.lengths[others]
            most = self._differing[own + theirs]
            differ = np.bitwise_count(block.coarse[rows] ^ held.coarse[others])
            there = np.flatnonzero((differ <= most) & (np.abs(own - theirs) <= most))
            rows, others, most = rows[there], others[there], most[there]
            # Just at the limit the last bit of F decides, and it differs from one pair of lengths to another.
            own, theirs = block.lengths[rows], held.lengths[others]
            most = most - 2 * self._rule.lets_pass(own + theirs - most >> 1, own, theirs)
            differ = np.bitwise_count(block.fine[rows] ^ held.fine[others]).sum(1, dtype=np.int64)
            there = differ <= most
            found.append(rows[there] * (len(held) + 1) + others[there])
        pairs = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
        rows, others = np.divmod(pairs, len(held) + 1)
        return zip(rows.tolist(), others.tolist(), strict=True)

    def _hold(self, block: Sketches, firsts: Prefixes, rows: Ints) -> None:
        self._kept.add(block, firsts, rows, self._given)
        self._given += len(block)


class _Judged:
    """The nearest that was found of each text of a block, as far as it is too near."""

    def __init__(self, block: Sketches, rule: Rule) -> None:
        self._block = block
        self._rule = rule
        self._row = -1
        self._masks: dict[int, int] = {}
        self._nearest = [-1] * len(block)
        self.scores = np.zeros(len(block))

    def compare(self, row: int, other: Sequence[int], number: int) -> None:
        """Rows come in order, and for each the others, so that the first of those most alike is the nearest."""
        own = self._block.tokens[row]
        if row != self._row:
            self._row, self._masks = row, masks_of(own) if len(own) <= BLOCK else {}
        f = f_of(self._shared(own, other), len(own), len(other))
        if f > self.scores[row] and self._rule.refuses(f):
            self.scores[row], self._nearest[row] = f, number

    def _shared(self, own: Sequence[int], other: Sequence[int]) -> int:
        if min(len(own), len(other)) <= LONG and len(own) <= BLOCK:
            return length_by_masks(self._masks, len(own), other)
        at_most = (Counter(own) & Counter(other)).total()
        return lcs_length(own, other) if self._rule.refuses(f_of(at_most, len(own), len(other))) else 0

    def found(self) -> list[Novelty]:
        """The decisions."""
        return [
            Novelty(False, nearest, score) if nearest >= 0 else _NEW
            for nearest, score in zip(self._nearest, self.scores.tolist(), strict=True)
        ]


_NEW = Novelty(True, None, 0.0)
