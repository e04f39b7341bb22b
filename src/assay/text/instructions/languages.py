"""Which language a text is in, by a small model that comes with py3langid (Lui and Baldwin 2012, "langid.py")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from assay.core.errors import did_you_mean
from assay.core.extras import require
from assay.text.similarity.tokens import by_character

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

COMMON = (
    *("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko"),
    *("nl", "pl", "pt", "ru", "sv", "th", "tr", "uk", "vi", "zh"),
)
"""The more languages there are to choose from, the more often a short text is taken for a rare one."""
ENOUGH = 12
"""Letters, below which there is too little to tell a language by."""
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_WORTH = 3
"""Letters of an alphabet that a character of Han, kana, Hangul, Thai and their kin says as much as."""


@dataclass(frozen=True)
class Told:
    """A language among those asked for, and which came next."""

    language: str
    sure: float
    """Its probability among them."""
    second: str


def letters_in(text: str) -> int:
    """How much there is to tell a language by; a character of a script cut by the character counts as three."""
    return sum(map(len, _WORDS.findall(text))) * (_WORTH if by_character(text) else 1)


def told(text: str, languages: tuple[str, ...]) -> Told:
    """The likest of `languages`, two or more; by words alone, without numbers and marks."""
    (first, sure), (second, _) = _identifier(languages).rank(" ".join(_WORDS.findall(text)))[:2]
    return Told(first, float(sure), second)


@lru_cache(maxsize=1)
def known() -> tuple[str, ...]:
    """The ISO 639-1 codes that there are."""
    return tuple(sorted(code for code in _identifier(()).labels if len(code) == 2))


def check_code(name: str, code: str) -> None:
    """Refuses what is no language that can be told.

    Raises:
        ValueError: It is none.
    """
    if code not in COMMON and code not in known():
        raise ValueError(f"{name} must be ISO 639-1 codes that it knows, had {code!r}. {did_you_mean(code, known())}")


@lru_cache(maxsize=4)
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    langid = require("py3langid.langid", "text")
    found: LanguageIdentifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    if languages:
        found.set_languages(languages)
    return found
