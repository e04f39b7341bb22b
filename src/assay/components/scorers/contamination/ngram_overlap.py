"""Does a sample hold an item of an evaluation set, or is it a piece of one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from assay.components.scorers.contamination.evaluation_items import (
    Part,
    check_against,
    check_different,
    held,
    is_long,
    items_of,
    listing_of,
    parts_of,
)
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.similarity.ngram_index import GramIndex, RunOverlap
from assay.text.similarity.tokens import by_character, joined, tokens

QUOTED = 12
"""Words of the longest shared run that a reason shows."""


@dataclass(frozen=True)
class NgramOverlap:
    """The largest share of words that a text of the sample and a text of one evaluation item have in common runs.

    A common run is one of `n` words that both hold (13 in GPT-3's cleaning, Brown et al. 2020, appendix C; 8 in PaLM's,
    Chowdhery et al. 2022, section 8). The share is the larger of two: of the item's words, which is 1 where a longer
    sample holds the item whole, and of the sample's, which is 1 where it is a piece of a longer item. The papers count
    the first alone. Texts are compared field by field, so that a question is found without its choices; where one has
    fewer than `n` words the run is as long as that text. A field with fewer than `least` words says too little alone:
    where a sample or an item has no longer one, all of its fields are one text, and where that is too short as well it
    is Unscored, or no item.

    Words are those of `text/similarity/tokens.py`; of texts that are cut by the character, such as Korean ones, `n` and
    `least` count twice. The reason names the item and shows what is shared. Evidence: `own`, the share of the sample's
    text, `item`, that of the item's, and `words` in shared runs of the sample's.
    """

    against: tuple[Source, ...]
    """The evaluation sets."""
    fields: tuple[str, ...] = ()
    """Of samples; all that a person would read where empty: no labels, and no choice or answer by itself."""
    against_fields: tuple[str, ...] = ()
    """Of items; the same where empty."""
    n: int = 8
    least: int = 6

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="share of words", low=0.0, high=1.0, better="lower")

    def __post_init__(self) -> None:
        check_against("NgramOverlap", self.against)
        check_different("NgramOverlap", "fields", self.fields)
        check_different("NgramOverlap", "against_fields", self.against_fields)
        if self.least < 1:
            raise ValueError(f"NgramOverlap.least must be at least 1, was {self.least}.")
        if self.n < self.least:
            raise ValueError(f"NgramOverlap.n must be at least as large as least, {self.least}, was {self.n}.")

    def listing(self) -> str:
        """What the evaluation sets say of the files that they read, so that others are compared again."""
        return listing_of(self.against)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        items = held(self, self.listing(), lambda: _Items(self, lab))
        return [self._one(parts_of(sample, self.fields, self.least), items) for sample in samples]

    def _one(self, parts: Sequence[Part], items: _Items) -> Outcome:
        if not any(is_long(part.text, self.least) for part in parts):
            return Unscored("not_applicable", f"No text of the sample has {self.least} words: too few to tell.")
        found = [one for part in parts if (one := items.most(part))]
        if not found:
            return Score(
                0.0, "no run of words is shared with an evaluation item", {"own": 0.0, "item": 0.0, "words": 0}
            )
        best = max(found, key=lambda one: one.overlap.share)
        return Score(best.overlap.share, best.reason(), best.evidence())


class _Found(NamedTuple):
    """A text of a sample, cut into words, and the item's text that it shares most with."""

    part: Part
    words: Sequence[str]
    item: Part
    overlap: RunOverlap

    def reason(self) -> str:
        start, end = self.overlap.run
        shown = joined(self.words[start : min(end, start + QUOTED)]) + (" …" if end - start > QUOTED else "")
        return f"{self.part.field} and {self.item.field} of {self.item.owner} share {shown!r}"

    def evidence(self) -> dict[str, float]:
        own, item = self.overlap.own, self.overlap.other
        return {"own": own, "item": item, "words": round(own * len(self.words))}


class _Items:
    """The texts of evaluation items: those cut by words, and those cut by characters."""

    def __init__(self, scorer: NgramOverlap, lab: Lab) -> None:
        parts = items_of(scorer.against, scorer.against_fields, scorer.least, lab)
        parts = [part for part in parts if is_long(part.text, scorer.least)]
        self._parts = {kind: [part for part in parts if by_character(part.text) == kind] for kind in (False, True)}
        self._indices = {
            kind: GramIndex([tokens(part.text) for part in own], scorer.n * (2 if kind else 1))
            for kind, own in self._parts.items()
        }

    def most(self, part: Part) -> _Found | None:
        kind, words = by_character(part.text), tokens(part.text)
        overlap = self._indices[kind].most(words)
        return overlap and _Found(part, words, self._parts[kind][overlap.number], overlap)
