"""Words of a text in any script, as ROUGE and the novelty filter compare them.

rouge_score knows a to z and 0 to 9 alone, and is silent about the rest: of a Korean text nothing is left, and two mixed
texts that share one English word become equal. `tokens` gives what rouge_score gives on ASCII text, and words or
characters of every other script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

Tokenizer: TypeAlias = Callable[[str], list[str]]

_ASCII = re.compile(r"[a-z0-9]+")
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3031-\u3035\u303b\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\U0001aff0-\U0001b16f"  # kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\ua000-\ua4cf"  # Han, Yi
)
"""Scripts that are written without spaces, and Hangul, whose particles are glued to the noun."""
_FIRST_ALONE = re.compile(f"[{_ALONE}]")
_INVISIBLE = re.compile("[\u00ad\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")
"""Soft hyphens, joiners and marks of direction: they part no word."""
_LAST = 0x1F000
"""No mark of a living script stands above."""


def ascii_tokens(text: str) -> list[str]:
    """Runs of a to z and 0 to 9 in lower case: rouge_score's tokens without a stemmer, on any text.

    Source: google-research/rouge, tokenize.py.
    """
    return _ASCII.findall(text.lower())


def tokens(text: str) -> list[str]:
    """Words in lower case: runs of letters, digits and their marks; a character each where words have no spaces.

    One token a character, with its marks, in Han, kana, Hangul, Thai, Lao, Khmer, Myanmar and their kin. ASCII text
    gives exactly `ascii_tokens`. Compatible characters are one (NFKC) and case is folded, so that full-width letters,
    ligatures and decomposed Hangul are what they look like. Punctuation, symbols and emoji are no words. Characters are
    shared more easily than words, so compare scores within a script.
    """
    if text.isascii():
        return _ASCII.findall(text.lower())
    return _patterns()[0].findall(folded(text))


def folded(text: str) -> str:
    """A text as it looks, in one case: compatible characters are one (NFKC), case is folded, what is invisible is gone.

    Of more than 30 marks upon one letter only the first 30 stay (UAX 15, section 13): to put n in order takes n ** 2
    steps.
    """
    if text.isascii():
        return text.lower()
    once = unicodedata.normalize("NFKC", _patterns()[1].sub(r"\1", _INVISIBLE.sub("", text))).casefold()
    return unicodedata.normalize("NFKC", once)


def joined(found: Sequence[str]) -> str:
    """Tokens as a text to read: with spaces, but between characters of scripts that are cut by the character."""
    parts: list[str] = []
    for before, token in zip(["", *found], found, strict=False):
        glued = not before or (_FIRST_ALONE.match(before) and _FIRST_ALONE.match(token))
        parts.append(token if glued else f" {token}")
    return "".join(parts)


def by_character(text: str) -> bool:
    """Whether most tokens of a text are single characters, of scripts that are cut so."""
    if text.isascii():
        return False
    found = tokens(text)
    return 2 * sum(_FIRST_ALONE.match(token) is not None for token in found) > len(found)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is a token, and more marks in a row than any script has.

    `re` has no class of marks: it is made once, which takes some hundredths of a second.
    """
    marks = _ranges([code for code in range(0x300, _LAST) if unicodedata.category(chr(code))[0] == "M"])
    marks += "\U000e0100-\U000e01ef"
    alone = rf"(?=[^\W\d])[{_ALONE}][{marks}]*+"
    word = rf"(?:[^\W_{_ALONE}]++|[{marks}\d]++)++"
    return re.compile(f"{alone}|{word}"), re.compile(rf"([{marks}]{{30}})[{marks}]++")


def _ranges(codes: list[int]) -> str:
    """Rising code points as the inside of a character class."""
    found: list[list[int]] = []
    for code in codes:
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
