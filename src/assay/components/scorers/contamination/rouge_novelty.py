"""Novelty by ROUGE-L."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.core.lab import Lab
from assay.core.roles import Source, listing_of
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.similarity.nearest import NearestText, nearest_before
from assay.text.similarity.tokens import ascii_tokens, tokens


@dataclass(frozen=True)
class RougeNovelty:
    """Maximum ROUGE-L F of a text with earlier ones; 0 if it shares no word with any.

    Earlier texts are the preceding samples of the run, after the texts of `against`, such as human-written tasks. With
    `before` off, texts are compared with `against` only. The reason names the nearest text, the first of equals.
    Evidence: `shared`, the length of the longest common subsequence in words, `words` and `nearest_words`. A text
    without words is unscored.

    Use this column for inspection: what to keep depends on what was kept before, which the filter `Novel` handles. With
    `before` off, a Threshold on it removes texts similar to `against`.
    """

    text: str = "instruction"
    """Field to compare, of samples and of `against`."""
    against: Source | None = None
    before: bool = True
    words: Literal["any", "ascii"] = "any"
    """Tokens of any script, or those of rouge_score: a to z and digits only."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="ROUGE F", low=0.0, high=1.0, better="lower")

    def __post_init__(self) -> None:
        if self.against is None and not self.before:
            raise ValueError(
                "RougeNovelty.against must be a source if before is off, was none: there is nothing to compare."
            )

    @property
    def whole(self) -> bool:
        """Whether all samples are scored at once, as the earlier ones may be in another shard."""
        return self.before

    def listing(self) -> str:
        """Digest of the files that `against` reads."""
        return listing_of(self.against)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        against = [] if self.against is None else list(self.against.read(lab))
        texts, reference = [[sample.text(self.text) for sample in group] for group in (samples, against)]
        tokenize = tokens if self.words == "any" else ascii_tokens
        names = [f"given {item.fields.get('origin', item.id)}" for item in against] + [sample.id for sample in samples]
        return [_outcome(nearest, names) for nearest in nearest_before(texts, reference, tokenize, among=self.before)]


def _outcome(nearest: NearestText, names: Sequence[str]) -> Outcome:
    words, other = nearest.sizes
    if not words:
        return Unscored("not_applicable", "The text has no words that ROUGE could compare.")
    if nearest.number is None:
        return Score(0.0, "nothing before it shares a word", {"shared": 0, "words": words})
    evidence = {"shared": nearest.shared, "words": words, "nearest_words": other}
    return Score(nearest.f, f"most like {names[nearest.number]}", evidence)
