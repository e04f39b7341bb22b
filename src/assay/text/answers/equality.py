"""When two short answers are the same."""

from __future__ import annotations

import string
import unicodedata

from assay.text.answers.numerals import exact

ARTICLES = frozenset(("a", "an", "the"))
LONGEST_WORD = 200
"""Longer ones are not brought to NFKC: putting a run of n combining marks in order takes n ** 2 steps."""


def same_number(a: str, b: str) -> bool:
    """Whether both are numbers, and the same one: "1,234.50" and "$1234.5", "3/4" and "0.75", "25%" and "25".

    Exact, by fractions: "0.1" differs from "0.10000000000000001". A text that is not one number whole, such as
    "42 apples", equals none, itself included. A percent or currency sign is a unit and does not change the value, as
    GSM8K's own answers leave it out: "25%" is not "0.25", "$5" is "€5".
    """
    left, right = exact(a), exact(b)
    return left is not None and left == right


def same_text(a: str, b: str) -> bool:
    """Whether both are the same words, whatever their case, punctuation, English articles and spaces.

    Source: the official evaluation of SQuAD 1.1, `normalize_answer`. We differ for Unicode: NFKC first (so that
    decomposed Hangul is Hangul, and full-width letters are letters), case folding and not only lower case, all of
    Unicode's punctuation and not only ASCII's; and where nothing would be left ("The", "!"), articles and punctuation
    stay. As there, "-5" and "5" are the same: numbers are for `same_number`.
    """
    return normalized(a) == normalized(b)


def normalized(text: str) -> str:
    """What `same_text` compares."""
    words = [part for word in text.split() for part in _nfkc(word).split()]
    bare = ["".join(one for one in word if not _is_punctuation(one)) for word in words]
    kept = [word for word in bare if word and word not in ARTICLES]
    return " ".join(kept or words)


def _nfkc(word: str) -> str:
    if len(word) > LONGEST_WORD:
        return word.casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())


def _is_punctuation(one: str) -> bool:
    return one in string.punctuation or unicodedata.category(one).startswith("P")
