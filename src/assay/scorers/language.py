"""Which language is a text in?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Scale, Unscored
from assay.text.tokens import by_character

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

COMMON = (
    *("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko"),
    *("nl", "pl", "pt", "ru", "sv", "th", "tr", "uk", "vi", "zh"),
)
"""The more languages there are to choose from, the more often a short text is taken for a rare one."""
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_WORTH = 3
"""Letters of an alphabet that a character of Han, kana, Hangul, Thai and their kin says as much as."""


@dataclass(frozen=True)
class Language:
    """The language of a text, of those in `languages`, as an ISO 639-1 code: "en", "ko".

    By py3langid, which carries its model: naive Bayes over byte n-grams (Lui and Baldwin 2012, "langid.py"). It is
    given words alone, without numbers and marks. Evidence: `confidence`, the probability among those languages; a text
    of another one is called by the likest of them. With fewer than `letters` letters, of which a character of a script
    that is cut by the character counts as three, there is too little to tell and a text is Unscored.
    """

    text: str = "instruction"
    languages: tuple[str, ...] = COMMON
    letters: int = 12

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="language", better="neither")

    def __post_init__(self) -> None:
        if isinstance(self.languages, str) or len(set(self.languages)) < max(2, len(self.languages)):
            raise ValueError(f"Language.languages must be two or more different codes, was {self.languages!r}.")
        if self.letters < 1:
            raise ValueError(f"Language.letters must be at least 1, was {self.letters}.")
        for code in (code for code in self.languages if code not in COMMON):
            if code not in known():
                hint = did_you_mean(code, known())
                raise ValueError(f"Language.languages must be ISO 639-1 codes that it knows, had {code!r}. {hint}")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._one(sample.text(self.text)) for sample in samples]

    def _one(self, text: str) -> Outcome:
        words = _WORDS.findall(text)
        count = sum(map(len, words)) * (_WORTH if by_character(text) else 1)
        if not words:
            return Unscored("not_applicable", "The text has no letters.")
        if count < self.letters:
            return Unscored("not_applicable", f"The text has fewer than {self.letters} letters: too few to tell.")
        (first, sure), (second, _) = _identifier(self.languages).rank(" ".join(words))[:2]
        return Label(first, f"rather than {second}", {"confidence": round(sure, 4)})


@lru_cache(maxsize=4)
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if languages:
        found.set_languages(languages)
    return found


@lru_cache(maxsize=1)
def known() -> tuple[str, ...]:
    """The ISO 639-1 codes that there are."""
    return tuple(sorted(code for code in _identifier(()).labels if len(code) == 2))
