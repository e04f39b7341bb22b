"""Which language is a text in?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Scale, Unscored
from assay.text.instructions.languages import COMMON, ENOUGH, check_code, letters_in, told


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
    letters: int = ENOUGH

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="language", better="neither")

    def __post_init__(self) -> None:
        if isinstance(self.languages, str) or len(set(self.languages)) < max(2, len(self.languages)):
            raise ValueError(f"Language.languages must be two or more different codes, was {self.languages!r}.")
        if self.letters < 1:
            raise ValueError(f"Language.letters must be at least 1, was {self.letters}.")
        for code in self.languages:
            check_code("Language.languages", code)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._one(sample.text(self.text)) for sample in samples]

    def _one(self, text: str) -> Outcome:
        count = letters_in(text)
        if not count:
            return Unscored("not_applicable", "The text has no letters.")
        if count < self.letters:
            return Unscored("not_applicable", f"The text has fewer than {self.letters} letters: too few to tell.")
        found = told(text, self.languages)
        return Label(found.language, f"rather than {found.second}", {"confidence": round(found.sure, 4)})
