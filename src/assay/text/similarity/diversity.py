"""How varied a set of texts is: by their words, and by what they ask for.

Texts are read once into numbers, so that any part of them can be measured: what was kept, and as many picked blindly.
Every measure here hangs on how many texts there are. Compare sets of one size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from assay.text.similarity.tokens import tokens
from assay.text.similarity.verbs import instruction_verb

Ints: TypeAlias = npt.NDArray[np.int64]
Pairs: TypeAlias = tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...]
"""(verb, texts, ((object, texts), ...)), the most frequent first."""
NONE = -1
"""The number of a verb or object that there is not."""


@dataclass(frozen=True)
class TokenizedTexts:
    """n texts as numbers."""

    words: Ints
    """Of all texts, one behind the other."""
    starts: Ints
    """(n + 1,) where each text's words begin, and where the last one's end."""
    verbs: Ints
    """(n,)"""
    objects: Ints
    """(n,)"""
    names: tuple[str, ...]
    """Of verbs and of objects, by number."""

    def __len__(self) -> int:
        return len(self.verbs)


@dataclass(frozen=True)
class Coverage:
    """How varied n texts are."""

    n: int
    words: int
    """Different ones."""
    word_entropy: float
    """Of the words, in bits: 2 to the power of this many equally frequent ones would be as uncertain."""
    distinct_1: float
    """Different words over all words."""
    distinct_2: float
    """Different pairs of neighboring words over all such pairs (Li et al. 2016, section 5.2): lower for more texts."""
    with_verb: int
    """English texts that ask for something."""
    verbs: int
    """Different ones."""
    verb_entropy: float
    """Of the verbs, in bits."""
    with_object: int
    pairs: int
    """Different pairs of verb and object."""


def tokenize_texts(texts: Sequence[str], *, verbs: bool = True) -> TokenizedTexts:
    """Texts as numbers; words are `tokens`, of any script, and verbs those of `instruction_verb`, English alone.

    With `verbs` off nobody looks for them: texts that are no instructions have none.
    """
    known: dict[str, int] = {}
    named: dict[str, int] = {}
    words: list[int] = []
    starts, found = [0], []
    for text in texts:
        words += [known.setdefault(word, len(known)) for word in tokens(text)]
        starts.append(len(words))
        one = instruction_verb(text) if verbs else None
        found.append(
            (NONE, NONE)
            if one is None
            else (
                named.setdefault(one.verb, len(named)),
                named.setdefault(one.object, len(named)) if one.object else NONE,
            )
        )
    pairs = np.asarray(found, dtype=np.int64).reshape(-1, 2)
    return TokenizedTexts(
        np.asarray(words, np.int64), np.asarray(starts, np.int64), pairs[:, 0], pairs[:, 1], tuple(named)
    )


def coverage(reading: TokenizedTexts, rows: Sequence[int] | Ints | None = None) -> Coverage:
    """How varied the texts of these rows are; all where None."""
    picked = np.arange(len(reading)) if rows is None else np.asarray(rows, dtype=np.int64)
    words, neighbors = _words(reading, picked)
    verbs, objects = reading.verbs[picked], reading.objects[picked]
    verbs, objects = verbs[verbs != NONE], objects[objects != NONE]
    both = (reading.verbs[picked] * (len(reading.names) + 1) + reading.objects[picked])[reading.objects[picked] != NONE]
    counts = np.unique(words, return_counts=True)[1]
    verb_counts = np.unique(verbs, return_counts=True)[1]
    return Coverage(
        n=len(picked),
        words=len(counts),
        word_entropy=entropy(counts),
        distinct_1=len(counts) / len(words) if len(words) else 0.0,
        distinct_2=len(np.unique(neighbors)) / len(neighbors) if len(neighbors) else 0.0,
        with_verb=len(verbs),
        verbs=len(verb_counts),
        verb_entropy=entropy(verb_counts),
        with_object=len(objects),
        pairs=len(np.unique(both)),
    )


def top_verbs(reading: TokenizedTexts, rows: Sequence[int] | Ints, verbs: int = 20, objects: int = 4) -> Pairs:
    """The most frequent verbs and their most frequent objects, as Wang et al. 2022 draw them (figure 3)."""
    by_verb: Counter[str] = Counter()
    by_pair: dict[str, Counter[str]] = {}
    for row in rows:
        if reading.verbs[row] == NONE:
            continue
        verb = reading.names[reading.verbs[row]]
        by_verb[verb] += 1
        if reading.objects[row] != NONE:
            by_pair.setdefault(verb, Counter())[reading.names[reading.objects[row]]] += 1
    first = sorted(by_verb.items(), key=_order)[:verbs]
    return tuple(
        (verb, n, tuple(sorted(by_pair.get(verb, Counter()).items(), key=_order)[:objects])) for verb, n in first
    )


def entropy(counts: npt.ArrayLike) -> float:
    """Shannon's, in bits, of what was counted; 0 of nothing. The plain estimate: too low where counts are few."""
    numbers = np.asarray(counts, dtype=np.float64)
    shares = numbers[numbers > 0] / max(numbers.sum(), 1.0)
    return max(0.0, -math.fsum((shares * np.log2(shares)).tolist()))


def _order(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _words(reading: TokenizedTexts, rows: Ints) -> tuple[Ints, Ints]:
    """All words of some texts, and all pairs of neighbors within a text as one number each."""
    lengths = reading.starts[rows + 1] - reading.starts[rows]
    text = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    words = reading.words[reading.starts[rows][text] + within]
    beside = text[1:] == text[:-1]
    size = int(reading.words.max()) + 1 if len(reading.words) else 1
    return words, (words[:-1] * size + words[1:])[beside]
