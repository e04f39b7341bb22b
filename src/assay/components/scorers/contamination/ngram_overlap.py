"""Contamination by shared n-grams with evaluation items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from assay.components.scorers.contamination.evaluation_items import (
    TextPart,
    cached,
    check_against,
    check_different,
    is_long,
    items_of,
    listing_of,
    parts_of,
)
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.similarity.ngram_index import NgramIndex, SharedNgrams
from assay.text.similarity.tokens import is_character_tokenized, join_tokens, tokens

QUOTED = 12
"""Words of the longest common run in a reason."""


@dataclass(frozen=True)
class NgramOverlap:
    """Largest fraction of words in common runs between a text of the sample and a text of one evaluation item.

    A common run has `n` words that both contain (13 in GPT-3's cleaning, Brown et al. 2020, appendix C; 8 in PaLM's,
    Chowdhery et al. 2022, section 8). The fraction is the larger of two: that of the item's words, which is 1 if the
    sample contains the whole item, and that of the sample's words, which is 1 if the sample is an excerpt of the item.
    The papers count only the first. Texts are compared field by field, so a question is found without its choices. For
    a text with fewer than `n` words the run is the whole text. If no field has `min_words` words, all fields are
    joined; if that is too short too, the sample is unscored, and the item is skipped.

    Words are those of `text/similarity/tokens.py`; for texts that are tokenized by character, such as Korean ones, `n`
    and `min_words` count twice. The reason names the item and quotes the longest common run. Evidence: `own`, the
    fraction for the sample; `item`, that for the item; and `words`, the words of the sample in common runs.
    """

    against: tuple[Source, ...]
    """Evaluation sets."""
    fields: tuple[str, ...] = ()
    """Fields of samples; if empty, all readable text: no labels, and no choice or answer on its own."""
    against_fields: tuple[str, ...] = ()
    """Fields of items; if empty, as `fields`."""
    n: int = 8
    min_words: int = 6

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="share of words", low=0.0, high=1.0, better="lower")

    def __post_init__(self) -> None:
        check_against("NgramOverlap", self.against)
        check_different("NgramOverlap", "fields", self.fields)
        check_different("NgramOverlap", "against_fields", self.against_fields)
        if self.min_words < 1:
            raise ValueError(f"NgramOverlap.min_words must be at least 1, was {self.min_words}.")
        if self.n < self.min_words:
            raise ValueError(f"NgramOverlap.n must be at least as large as min_words, {self.min_words}, was {self.n}.")

    def listing(self) -> str:
        """Digest of the files of the evaluation sets."""
        return listing_of(self.against)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        items = cached(self, self.listing(), lambda: _Items(self, lab))
        return [self._outcome(parts_of(sample, self.fields, self.min_words), items) for sample in samples]

    def _outcome(self, parts: Sequence[TextPart], items: _Items) -> Outcome:
        if not any(is_long(part.text, self.min_words) for part in parts):
            return Unscored("not_applicable", f"No text of the sample has {self.min_words} words: too few to tell.")
        matches = [match for part in parts if (match := items.best_match(part))]
        if not matches:
            return Score(
                0.0, "no run of words is shared with an evaluation item", {"own": 0.0, "item": 0.0, "words": 0}
            )
        best = max(matches, key=lambda match: match.overlap.max_fraction)
        return Score(best.overlap.max_fraction, best.reason(), best.evidence())


class _Match(NamedTuple):
    """A tokenized text of a sample, and the item's text with the largest overlap."""

    part: TextPart
    words: Sequence[str]
    item: TextPart
    overlap: SharedNgrams

    def reason(self) -> str:
        start, end = self.overlap.span
        quote = join_tokens(self.words[start : min(end, start + QUOTED)]) + (" …" if end - start > QUOTED else "")
        return f"{self.part.field} and {self.item.field} of {self.item.owner} share {quote!r}"

    def evidence(self) -> dict[str, float]:
        query_fraction, item_fraction = self.overlap.query_fraction, self.overlap.indexed_fraction
        return {"own": query_fraction, "item": item_fraction, "words": round(query_fraction * len(self.words))}


class _Items:
    """Indices of the texts of evaluation items: those tokenized by words, and those tokenized by characters."""

    def __init__(self, scorer: NgramOverlap, lab: Lab) -> None:
        parts = items_of(scorer.against, scorer.against_fields, scorer.min_words, lab)
        parts = [part for part in parts if is_long(part.text, scorer.min_words)]
        self._parts = {
            kind: [part for part in parts if is_character_tokenized(part.text) == kind] for kind in (False, True)
        }
        self._indices = {
            kind: NgramIndex([tokens(part.text) for part in group], scorer.n * (2 if kind else 1))
            for kind, group in self._parts.items()
        }

    def best_match(self, part: TextPart) -> _Match | None:
        kind, words = is_character_tokenized(part.text), tokens(part.text)
        overlap = self._indices[kind].best_match(words)
        return overlap and _Match(part, words, self._parts[kind][overlap.number], overlap)
