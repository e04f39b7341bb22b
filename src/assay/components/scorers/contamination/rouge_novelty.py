"""How like is a text to those before it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.core.lab import Lab
from assay.core.roles import Source, listing_of
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.similarity.nearest import Nearest, nearest_before
from assay.text.similarity.tokens import ascii_tokens, tokens


@dataclass(frozen=True)
class RougeNovelty:
    """The highest ROUGE-L F of a text with those before it, and which that is; 0 where it shares no word with any.

    Those before it are the samples of a run in their order, and first of all the texts of `against`: the tasks that
    people wrote, say. With `before` off each is compared with `against` alone. The reason names the nearest; of equals
    it is the first. Evidence: `shared`, the words in order that both have, `words` and `nearest_words`. A text without
    words is Unscored.

    This is for looking at: what is kept depends on what was kept before, and that is the filter `Novel`. A Threshold on
    a column with `before` off keeps away from the tasks that people wrote.
    """

    text: str = "instruction"
    """The field that is compared, of samples and of `against`."""
    against: Source | None = None
    before: bool = True
    words: Literal["any", "ascii"] = "any"
    """Of any script, or rouge_score's, which knows a to z and digits alone."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="ROUGE F", low=0.0, high=1.0, better="lower")

    def __post_init__(self) -> None:
        if self.against is None and not self.before:
            raise ValueError("RougeNovelty.against must be a source where before is off, was none: nothing to compare.")

    @property
    def whole(self) -> bool:
        """It is given all samples at once, for those before a sample may lie in another part."""
        return self.before

    def listing(self) -> str:
        """What `against` says of the file that it reads, so that another one is scored again."""
        return listing_of(self.against)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        given = [] if self.against is None else list(self.against.read(lab))
        texts, held = [[one.text(self.text) for one in many] for many in (samples, given)]
        tokenize = tokens if self.words == "any" else ascii_tokens
        names = [f"given {one.fields.get('origin', one.id)}" for one in given] + [one.id for one in samples]
        return [_outcome(one, names) for one in nearest_before(texts, held, tokenize, among=self.before)]


def _outcome(found: Nearest, names: Sequence[str]) -> Outcome:
    own, other = found.sizes
    if not own:
        return Unscored("not_applicable", "The text has no words that ROUGE could compare.")
    if found.number is None:
        return Score(0.0, "nothing before it shares a word", {"shared": 0, "words": own})
    evidence = {"shared": found.shared, "words": own, "nearest_words": other}
    return Score(found.f, f"most like {names[found.number]}", evidence)
