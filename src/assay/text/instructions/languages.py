"""Language identification by py3langid (Lui and Baldwin 2012, "langid.py")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from assay.core.errors import did_you_mean, require
from assay.text.similarity.tokens import is_character_tokenized

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

COMMON_LANGUAGES = (
    *("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko"),
    *("nl", "pl", "pt", "ru", "sv", "th", "tr", "uk", "vi", "zh"),
)
"""Default candidates: with more languages, short texts are more often misidentified as rare ones."""
MIN_LETTERS = 12
"""Minimum number of letters for identification."""
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_LETTERS_PER_CHARACTER = 3
"""Letters that one character of a character-tokenized script counts as."""


@dataclass(frozen=True)
class LanguageGuess:
    """Most probable language among the candidates."""

    language: str
    probability: float
    """Among the candidates."""
    second: str
    """Second most probable language."""


def count_letters(text: str) -> int:
    """Number of letters; a character of a character-tokenized script counts as three."""
    return sum(map(len, _WORDS.findall(text))) * (_LETTERS_PER_CHARACTER if is_character_tokenized(text) else 1)


def identify_language(text: str, languages: tuple[str, ...]) -> LanguageGuess:
    """Most probable of two or more `languages`, by words only, without numbers and punctuation."""
    (first, probability), (second, _) = _identifier(languages).rank(" ".join(_WORDS.findall(text)))[:2]
    return LanguageGuess(first, float(probability), second)


@lru_cache(maxsize=1)
def language_codes() -> tuple[str, ...]:
    """ISO 639-1 codes that py3langid supports."""
    return tuple(sorted(code for code in _identifier(()).labels if len(code) == 2))


def check_language_code(name: str, code: str) -> None:
    """Reject an unsupported language code.

    Raises:
        ValueError: Not an ISO 639-1 code that py3langid supports.
    """
    if code not in COMMON_LANGUAGES and code not in language_codes():
        hint = did_you_mean(code, language_codes())
        raise ValueError(f"{name} must be ISO 639-1 codes of supported languages, had {code!r}. {hint}")


@lru_cache(maxsize=4)
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    langid = require("py3langid.langid", "text")
    identifier: LanguageIdentifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    if languages:
        identifier.set_languages(languages)
    return identifier
