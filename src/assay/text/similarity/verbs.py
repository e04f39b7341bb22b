"""What an English instruction asks for: its verb, and the verb's object.

Every other language is silent here: the words of a text that is not written in ASCII letters are not looked at.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from assay.core.extras import require

if TYPE_CHECKING:
    from textblob.taggers import PatternTagger

Tagged: TypeAlias = tuple[str, str]
"""A word and its tag (Penn Treebank)."""
MOST = 600
"""Characters of a text that are read: what is asked stands at the beginning."""
VERBS = frozenset({"VB", "VBP"})
NAMES = frozenset({"NN", "NNS", "NNP", "NNPS"})
OPENERS = frozenset({"DT", "PRP", "PRP$", "CD", "PDT"})
"""What follows a verb and no noun: an article, "me", "your", a number."""
INSIDE = (
    frozenset({"DT", "PDT", "PRP$", "CD", "JJ", "JJR", "JJS", "RB", "RBR", "RBS", "VBG", "VBN", "VBD", "POS"}) | NAMES
)
"""What may stand before the noun of an object."""
PARTICLES = frozenset({"up", "out", "down", "off", "with", "over", "for", "on", "at"})
"""What may stand between a verb and its object."""
POLITE = frozenset({"please", "kindly", "then", "now", "first", "next", "finally", "also", "just"})
MODALS = frozenset({"can", "could", "would", "will"})
TASKS = (["task", "is"], ["job", "is"], ["you", "need"], ["you", "have"])
"""Words before a "to" that say what to do."""
NO_VERBS = frozenset({"given", "based", "such", "all", "half", "many", "both", "what", "which", "while", "like"})
"""Words before an article that are tagged as if they might be one."""
_LETTER = re.compile(r"[^\W\d_]")
_ENDS = frozenset({".", "!", "?", ":", ";"})


@dataclass(frozen=True)
class InstructionVerb:
    """What an instruction asks for."""

    verb: str
    """In lower case; an imperative is its own base form."""
    object: str = ""
    """The head noun of what follows, in lower case and the singular; empty where there is none."""


def instruction_verb(text: str) -> InstructionVerb | None:
    """The first verb of an imperative or of "can you ...", and its object; None where there is none.

    A rule over the tags of TextBlob's PatternTagger (its lexicon lies in the package): a verb stands at the beginning
    of a sentence or clause, or after "please", "can you" or "you to". What is tagged as a noun there and has an
    article behind it is a verb too ("Name a river"). "Come up with a list" has the object "list". Questions have
    neither.

    Source: Wang et al. 2022, "Self-Instruct", section 3.3 and figure 3, which parses with the Berkeley Neural Parser,
    takes the verb nearest to the root and its first direct noun object. A rule finds less in long sentences and takes
    some prepositional objects for direct ones.
    """
    head = text[:MOST].replace("\u2019", "'")
    if not _english(head):
        return None
    tags = _tags(head)
    place = _verb(tags)
    return None if place is None else InstructionVerb(tags[place][0].lower(), _object(tags, place + 1))


def _english(text: str) -> bool:
    """Whether most letters are ASCII ones."""
    letters = text if text.isascii() else "".join(_LETTER.findall(text))
    return 2 * sum(map(str.isascii, letters)) > len(letters)


def _tags(text: str) -> list[Tagged]:
    return [(str(word), str(tag)) for word, tag in _tagger().tag(text)]


@lru_cache(maxsize=1)
def _tagger() -> PatternTagger:
    tagger: PatternTagger = require("textblob.taggers", "text").PatternTagger()
    with warnings.catch_warnings():
        # TextBlob 0.20 leaves its lexicon's files for the garbage collector to close.
        warnings.simplefilter("ignore", ResourceWarning)
        tagger.tag("Read it.")
    return tagger


def _verb(tags: Sequence[Tagged]) -> int | None:
    return next((place for place in range(len(tags)) if _begins(tags, place) and _may(tags, place)), None)


def _begins(tags: Sequence[Tagged], place: int) -> bool:
    """Whether a verb may stand here that says what to do."""
    if place == 0:
        return True
    word, tag = tags[place - 1][0].lower(), tags[place - 1][1]
    if word in _ENDS or word == "," or tag in (".", ","):
        return True
    if word in POLITE or tag == "RB":  # "Please write", "Briefly explain"
        return _begins(tags, place - 1)
    before = [one.lower() for one, _ in tags[max(0, place - 3) : place]]
    if word == "you":  # "Can you write", and not "How can you write"
        return place > 1 and before[-2] in MODALS and _begins(tags, place - 2)
    return word == "to" and (before[-2:-1] == ["you"] or before[-3:-1] in TASKS)


def _may(tags: Sequence[Tagged], place: int) -> bool:
    """Whether the word is a verb, or is tagged as something that has no business before an article."""
    word, tag = tags[place][0], tags[place][1]
    if not word.isalpha() or word.lower() in NO_VERBS or word.lower() in MODALS | POLITE:
        return False
    if tag in VERBS:
        # Tags say "are/VBP", "do/VBP": they open a question.
        return word.lower() not in ("are", "do", "is", "have", "am")
    following = tags[place + 1][1] if place + 1 < len(tags) else ""
    return following in OPENERS and tag in NAMES | {"JJ", "VBN", "VBD"} and not word.endswith(("ed", "s"))


def _object(tags: Sequence[Tagged], place: int) -> str:
    rest = list(tags[place:])
    while rest and rest[0][0].lower() in PARTICLES:
        rest.pop(0)
    if rest and rest[0][1] == "PRP":  # "give me", "tell us"
        rest.pop(0)
    found: Tagged | None = None
    for word, tag in rest:
        if tag in NAMES and any(map(str.isalpha, word)):
            found = word, tag
        elif tag == "POS":
            found = None  # "the author's opinion", which comes as author, ', s, opinion
        elif word != "s" and (tag not in INSIDE or found is not None):
            break
    return "" if found is None else _singular(found[0].lower()) if found[1] == "NNS" else found[0].lower()


@lru_cache(maxsize=10_000)
def _singular(word: str) -> str:
    return str(require("textblob.en.inflect", "text").singularize(word))
