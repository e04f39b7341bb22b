"""Tokenizers for ROUGE and the novelty filter.

rouge_score keeps only a-z and 0-9: a Korean text has no tokens, and two mixed texts that share one English word become
equal. `tokens` equals rouge_score's tokenizer on ASCII text and gives words or characters in every other script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

Tokenizer: TypeAlias = Callable[[str], list[str]]

_ASCII = re.compile(r"[a-z0-9]+")
_CHARACTER_SCRIPTS = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3031-\u3035\u303b\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\U0001aff0-\U0001b16f"  # kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\ua000-\ua4cf"  # Han, Yi
)
"""Scripts without spaces, and Hangul, whose particles are attached to the noun."""
_CHARACTER_TOKEN = re.compile(f"[{_CHARACTER_SCRIPTS}]")
_INVISIBLE = re.compile("[\u00ad\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")
"""Soft hyphens, joiners and direction marks, which do not separate words."""
_MARKS_END = 0x1F000
"""Upper bound of the code points searched for combining marks."""


def ascii_tokens(text: str) -> list[str]:
    """Runs of a to z and 0 to 9 in lower case: rouge_score's tokens without a stemmer, on any text.

    Source: google-research/rouge, tokenize.py.
    """
    return _ASCII.findall(text.lower())


def tokens(text: str) -> list[str]:
    """Case-folded words (runs of letters, digits and marks), or characters in scripts without spaces.

    One token per character, with its combining marks, in Han, kana, Hangul, Thai, Lao, Khmer, Myanmar and related
    scripts. ASCII text gives exactly `ascii_tokens`. Text is NFKC-normalized and case-folded. Punctuation, symbols and
    emoji are dropped. Characters match more easily than words, so compare scores within a script only.
    """
    if text.isascii():
        return _ASCII.findall(text.lower())
    return _patterns()[0].findall(normalize_case(text))


def normalize_case(text: str) -> str:
    """NFKC-normalized, case-folded text without invisible characters.

    At most 30 combining marks per letter are kept (UAX 15, section 13), as normalization of n marks takes n ** 2 steps.
    """
    if text.isascii():
        return text.lower()
    normalized = unicodedata.normalize("NFKC", _patterns()[1].sub(r"\1", _INVISIBLE.sub("", text))).casefold()
    return unicodedata.normalize("NFKC", normalized)


def join_tokens(sequence: Sequence[str]) -> str:
    """Tokens joined with spaces, except between tokens of character-tokenized scripts."""
    parts: list[str] = []
    for before, token in zip(["", *sequence], sequence, strict=False):
        adjacent = not before or (_CHARACTER_TOKEN.match(before) and _CHARACTER_TOKEN.match(token))
        parts.append(token if adjacent else f" {token}")
    return "".join(parts)


def is_character_tokenized(text: str) -> bool:
    """Whether most tokens of a text are single characters of a script without spaces."""
    if text.isascii():
        return False
    words = tokens(text)
    return 2 * sum(_CHARACTER_TOKEN.match(token) is not None for token in words) > len(words)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of a token, and of more than 30 combining marks in a row.

    `re` has no character class of marks; building it once takes some hundredths of a second.
    """
    marks = _ranges([code for code in range(0x300, _MARKS_END) if unicodedata.category(chr(code))[0] == "M"])
    marks += "\U000e0100-\U000e01ef"
    alone = rf"(?=[^\W\d])[{_CHARACTER_SCRIPTS}][{marks}]*+"
    word = rf"(?:[^\W_{_CHARACTER_SCRIPTS}]++|[{marks}\d]++)++"
    return re.compile(f"{alone}|{word}"), re.compile(rf"([{marks}]{{30}})[{marks}]++")


def _ranges(codes: list[int]) -> str:
    """Ascending code points as the ranges of a character class."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
