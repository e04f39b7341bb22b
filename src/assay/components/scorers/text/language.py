"""Language identification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Scale, Unscored
from assay.text.instructions.languages import (
    COMMON_LANGUAGES,
    MIN_LETTERS,
    check_language_code,
    count_letters,
    identify_language,
)


@dataclass(frozen=True)
class Language:
    """Most probable language of a text among `languages`, as an ISO 639-1 code: "en", "ko".

    By py3langid: naive Bayes over byte n-grams (Lui and Baldwin 2012, "langid.py"), on words without numbers and
    punctuation. Evidence: `confidence`, the probability among those languages; a text in another language gets the most
    probable of them. A text with fewer than `letters` letters is unscored; a character of a script that is tokenized by
    character counts as three letters.
    """

    text: str = "instruction"
    languages: tuple[str, ...] = COMMON_LANGUAGES
    letters: int = MIN_LETTERS

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="language", better="neither")

    def __post_init__(self) -> None:
        if isinstance(self.languages, str) or len(set(self.languages)) < max(2, len(self.languages)):
            raise ValueError(f"Language.languages must be two or more different codes, was {self.languages!r}.")
        if self.letters < 1:
            raise ValueError(f"Language.letters must be at least 1, was {self.letters}.")
        for code in self.languages:
            check_language_code("Language.languages", code)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._outcome(sample.text(self.text)) for sample in samples]

    def _outcome(self, text: str) -> Outcome:
        count = count_letters(text)
        if not count:
            return Unscored("not_applicable", "The text has no letters.")
        if count < self.letters:
            return Unscored("not_applicable", f"The text has fewer than {self.letters} letters: too few to tell.")
        result = identify_language(text, self.languages)
        return Label(result.language, f"rather than {result.second}", {"confidence": round(result.probability, 4)})
