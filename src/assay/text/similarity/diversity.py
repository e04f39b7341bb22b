"""Diversity of texts: words (distinct-n, entropy), and verbs with their objects in English instructions.

Texts are tokenized once, so that any subset can be measured, such as the kept texts and a random subset of equal size.
Every measure depends on the number of texts: compare sets of one size. Texts whose letters are not mostly ASCII have no
verb.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.errors import require
from assay.text.similarity.tokens import tokens

if TYPE_CHECKING:
    from textblob.taggers import PatternTagger

IntArray: TypeAlias = npt.NDArray[np.int64]
VerbCounts: TypeAlias = tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...]
"""(verb, texts, ((object, texts), ...)), the most frequent first."""
NO_WORD = -1
"""Id of a missing verb or object."""


@dataclass(frozen=True)
class TokenizedTexts:
    """Word, verb and object ids of n texts."""

    words: IntArray
    """Word ids of all texts, concatenated."""
    starts: IntArray
    """(n + 1,) offsets of each text in `words`, and the end."""
    verbs: IntArray
    """(n,) ids, or NO_WORD."""
    objects: IntArray
    """(n,) ids, or NO_WORD."""
    names: tuple[str, ...]
    """Verbs and objects by id."""

    def __len__(self) -> int:
        return len(self.verbs)


@dataclass(frozen=True)
class Coverage:
    """Diversity of n texts."""

    n: int
    words: int
    """Distinct words."""
    word_entropy: float
    """Shannon entropy of words, in bits."""
    distinct_1: float
    """Distinct words over all words."""
    distinct_2: float
    """Distinct bigrams over all bigrams (Li et al. 2016, section 5.2); decreases with the number of texts."""
    with_verb: int
    """English texts with an instruction verb."""
    verbs: int
    """Distinct verbs."""
    verb_entropy: float
    """Shannon entropy of verbs, in bits."""
    with_object: int
    pairs: int
    """Distinct (verb, object) pairs."""


def tokenize_texts(texts: Sequence[str], *, verbs: bool = True) -> TokenizedTexts:
    """Tokenize texts: words by `tokens` (any script), verbs by `instruction_verb` (English only).

    `verbs=False` is for texts that are not instructions.
    """
    word_ids: dict[str, int] = {}
    name_ids: dict[str, int] = {}
    words: list[int] = []
    starts, pairs = [0], []
    for text in texts:
        words += [word_ids.setdefault(word, len(word_ids)) for word in tokens(text)]
        starts.append(len(words))
        verb = instruction_verb(text) if verbs else None
        pairs.append(
            (NO_WORD, NO_WORD)
            if verb is None
            else (
                name_ids.setdefault(verb.verb, len(name_ids)),
                name_ids.setdefault(verb.object, len(name_ids)) if verb.object else NO_WORD,
            )
        )
    columns = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return TokenizedTexts(
        np.asarray(words, np.int64), np.asarray(starts, np.int64), columns[:, 0], columns[:, 1], tuple(name_ids)
    )


def coverage(texts: TokenizedTexts, rows: Sequence[int] | IntArray | None = None) -> Coverage:
    """Diversity of the texts of these rows; all if None."""
    picked = np.arange(len(texts)) if rows is None else np.asarray(rows, dtype=np.int64)
    words, neighbors = _words_and_bigrams(texts, picked)
    verbs, objects = texts.verbs[picked], texts.objects[picked]
    verbs, objects = verbs[verbs != NO_WORD], objects[objects != NO_WORD]
    both = (texts.verbs[picked] * (len(texts.names) + 1) + texts.objects[picked])[texts.objects[picked] != NO_WORD]
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


def top_verbs(texts: TokenizedTexts, rows: Sequence[int] | IntArray, verbs: int = 20, objects: int = 4) -> VerbCounts:
    """Most frequent verbs with their most frequent objects (Wang et al. 2022, figure 3)."""
    by_verb: Counter[str] = Counter()
    by_pair: dict[str, Counter[str]] = {}
    for row in rows:
        if texts.verbs[row] == NO_WORD:
            continue
        verb = texts.names[texts.verbs[row]]
        by_verb[verb] += 1
        if texts.objects[row] != NO_WORD:
            by_pair.setdefault(verb, Counter())[texts.names[texts.objects[row]]] += 1
    first = sorted(by_verb.items(), key=_by_frequency)[:verbs]
    return tuple(
        (verb, n, tuple(sorted(by_pair.get(verb, Counter()).items(), key=_by_frequency)[:objects])) for verb, n in first
    )


def entropy(counts: npt.ArrayLike) -> float:
    """Shannon entropy of counts, in bits; 0 if empty. Plug-in estimate, biased low for small counts."""
    numbers = np.asarray(counts, dtype=np.float64)
    probabilities = numbers[numbers > 0] / max(numbers.sum(), 1.0)
    return max(0.0, -math.fsum((probabilities * np.log2(probabilities)).tolist()))


def _by_frequency(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _words_and_bigrams(texts: TokenizedTexts, rows: IntArray) -> tuple[IntArray, IntArray]:
    """All words of the selected texts, and all bigrams within a text, each as one number."""
    lengths = texts.starts[rows + 1] - texts.starts[rows]
    text = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    words = texts.words[texts.starts[rows][text] + within]
    same_text = text[1:] == text[:-1]
    size = int(texts.words.max()) + 1 if len(texts.words) else 1
    return words, (words[:-1] * size + words[1:])[same_text]


Tagged: TypeAlias = tuple[str, str]
"""A word and its tag (Penn Treebank)."""
MAX_CHARACTERS = 600
"""Characters of a text that are tagged: the request is at the beginning."""
VERB_TAGS = frozenset({"VB", "VBP"})
NOUN_TAGS = frozenset({"NN", "NNS", "NNP", "NNPS"})
OBJECT_START_TAGS = frozenset({"DT", "PRP", "PRP$", "CD", "PDT"})
"""Tags that follow a verb but not a noun: an article, "me", "your", a number."""
OBJECT_TAGS = (
    frozenset({"DT", "PDT", "PRP$", "CD", "JJ", "JJR", "JJS", "RB", "RBR", "RBS", "VBG", "VBN", "VBD", "POS"})
    | NOUN_TAGS
)
"""Tags allowed before the head noun of an object."""
PARTICLES = frozenset({"up", "out", "down", "off", "with", "over", "for", "on", "at"})
"""Words allowed between a verb and its object."""
POLITE = frozenset({"please", "kindly", "then", "now", "first", "next", "finally", "also", "just"})
MODALS = frozenset({"can", "could", "would", "will"})
TASK_PHRASES = (["task", "is"], ["job", "is"], ["you", "need"], ["you", "have"])
"""Words before a "to" that introduces the task."""
NOT_VERBS = frozenset({"given", "based", "such", "all", "half", "many", "both", "what", "which", "while", "like"})
"""Words before an article whose tag could be a verb's."""
_LETTER = re.compile(r"[^\W\d_]")
_ENDS = frozenset({".", "!", "?", ":", ";"})


@dataclass(frozen=True)
class InstructionVerb:
    """Main verb of an instruction and its object."""

    verb: str
    """Lower case; an imperative is a base form."""
    object: str = ""
    """Head noun of the object, lower case and singular; empty if there is none."""


def instruction_verb(text: str) -> InstructionVerb | None:
    """First verb of an imperative or of "can you ...", and its object; None if there is none.

    A rule on the part-of-speech tags of TextBlob's PatternTagger: a verb is at the start of a sentence or clause, or
    after "please", "can you" or "you to". A word tagged as a noun there and followed by an article is also a verb
    ("Name a river"). "Come up with a list" has the object "list". Questions have no verb.

    Source: Wang et al. 2022, "Self-Instruct", section 3.3 and figure 3, which uses the Berkeley Neural Parser, the verb
    nearest to the root and its first direct noun object. The rule misses verbs in long sentences and accepts some
    prepositional objects.
    """
    head = text[:MAX_CHARACTERS].replace("\u2019", "'")
    if not _is_english(head):
        return None
    tags = _tags(head)
    place = _first_verb(tags)
    return None if place is None else InstructionVerb(tags[place][0].lower(), _object(tags, place + 1))


def _is_english(text: str) -> bool:
    """Whether most letters are ASCII."""
    letters = text if text.isascii() else "".join(_LETTER.findall(text))
    return 2 * sum(map(str.isascii, letters)) > len(letters)


def _tags(text: str) -> list[Tagged]:
    return [(str(word), str(tag)) for word, tag in _tagger().tag(text)]


@lru_cache(maxsize=1)
def _tagger() -> PatternTagger:
    tagger: PatternTagger = require("textblob.taggers", "text").PatternTagger()
    with warnings.catch_warnings():
        # TextBlob 0.20 does not close the files of its lexicon.
        warnings.simplefilter("ignore", ResourceWarning)
        tagger.tag("Read it.")
    return tagger


def _first_verb(tags: Sequence[Tagged]) -> int | None:
    return next(
        (place for place in range(len(tags)) if _is_verb_position(tags, place) and _can_be_verb(tags, place)), None
    )


def _is_verb_position(tags: Sequence[Tagged], place: int) -> bool:
    """Whether an instruction verb can be at this position."""
    if place == 0:
        return True
    word, tag = tags[place - 1][0].lower(), tags[place - 1][1]
    if word in _ENDS or word == "," or tag in (".", ","):
        return True
    if word in POLITE or tag == "RB":  # "Please write", "Briefly explain"
        return _is_verb_position(tags, place - 1)
    before = [previous.lower() for previous, _ in tags[max(0, place - 3) : place]]
    if word == "you":  # "Can you write", and not "How can you write"
        return place > 1 and before[-2] in MODALS and _is_verb_position(tags, place - 2)
    return word == "to" and (before[-2:-1] == ["you"] or before[-3:-1] in TASK_PHRASES)


def _can_be_verb(tags: Sequence[Tagged], place: int) -> bool:
    """Whether the word is tagged as a verb, or as a noun or adjective directly before an article."""
    word, tag = tags[place][0], tags[place][1]
    if not word.isalpha() or word.lower() in NOT_VERBS or word.lower() in MODALS | POLITE:
        return False
    if tag in VERB_TAGS:
        # "are/VBP" and "do/VBP" begin a question.
        return word.lower() not in ("are", "do", "is", "have", "am")
    following = tags[place + 1][1] if place + 1 < len(tags) else ""
    return following in OBJECT_START_TAGS and tag in NOUN_TAGS | {"JJ", "VBN", "VBD"} and not word.endswith(("ed", "s"))


def _object(tags: Sequence[Tagged], place: int) -> str:
    rest = list(tags[place:])
    while rest and rest[0][0].lower() in PARTICLES:
        rest.pop(0)
    if rest and rest[0][1] == "PRP":  # "give me", "tell us"
        rest.pop(0)
    noun: Tagged | None = None
    for word, tag in rest:
        if tag in NOUN_TAGS and any(map(str.isalpha, word)):
            noun = word, tag
        elif tag == "POS":
            noun = None  # "the author's opinion" is tagged as author, ', s, opinion
        elif word != "s" and (tag not in OBJECT_TAGS or noun is not None):
            break
    return "" if noun is None else _singular(noun[0].lower()) if noun[1] == "NNS" else noun[0].lower()


@lru_cache(maxsize=10_000)
def _singular(word: str) -> str:
    return str(require("textblob.en.inflect", "text").singularize(word))
