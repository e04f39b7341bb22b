"""Contamination by paraphrases of evaluation items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.components.scorers.contamination.evaluation_items import (
    TextPart,
    cached,
    check_against,
    check_different,
    items_of,
    listing_of,
    parts_of,
)
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored

MAX_QUOTE = 60
"""Characters of an item in a reason."""


@dataclass(frozen=True)
class EmbeddingOverlap:
    """Maximum cosine similarity of sentence embeddings between a text of the sample and a text of an evaluation item.

    It finds paraphrases, which `NgramOverlap` cannot (Yang et al. 2023, "Rethinking Benchmark and Contamination for
    Language Models with Rephrased Samples"). A high value is not proof: two questions on one topic are similar, so
    check the item, which the reason names. Texts are compared field by field. Fields with fewer than `min_words` words
    are joined with the others if no field is longer. The encoder truncates long texts. A blank sample is unscored.
    """

    against: tuple[Source, ...]
    """Evaluation sets."""
    model: str = "embedded:minilm"
    fields: tuple[str, ...] = ()
    """Fields of samples; if empty, all readable text: no labels, and no choice or answer on its own."""
    against_fields: tuple[str, ...] = ()
    """Fields of items; if empty, as `fields`."""
    min_words: int = 6

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="cosine", low=-1.0, high=1.0, better="lower")

    def __post_init__(self) -> None:
        check_against("EmbeddingOverlap", self.against)
        check_different("EmbeddingOverlap", "fields", self.fields)
        check_different("EmbeddingOverlap", "against_fields", self.against_fields)
        if self.min_words < 1:
            raise ValueError(f"EmbeddingOverlap.min_words must be at least 1, was {self.min_words}.")

    def listing(self) -> str:
        """Digest of the files of the evaluation sets."""
        return listing_of(self.against)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.embedder(self.model)
        items = cached(self, self.listing(), lambda: self._items(lab))
        parts = [parts_of(sample, self.fields, self.min_words) for sample in samples]
        rows = iter(encoder.embed([part.text for sample_parts in parts for part in sample_parts]))
        return [_outcome(sample_parts, [next(rows) for _ in sample_parts], items) for sample_parts in parts]

    def _items(self, lab: Lab) -> _Items:
        parts = items_of(self.against, self.against_fields, self.min_words, lab)
        return _Items(parts, lab.models.embedder(self.model).embed([part.text for part in parts]))


class _Items(NamedTuple):
    parts: Sequence[TextPart]
    rows: npt.NDArray[np.float32]
    """(parts, dimensions), rows of unit length."""


def _outcome(parts: Sequence[TextPart], rows: Sequence[npt.NDArray[np.float32]], items: _Items) -> Outcome:
    if not parts:
        return Unscored("not_applicable", "The sample has no text.")
    # One row at a time, so that a cosine does not depend on the other samples.
    cosines = [items.rows @ row for row in rows]
    nearest = [int(similarities.argmax()) for similarities in cosines]
    highest = [float(similarities[at]) for similarities, at in zip(cosines, nearest, strict=True)]
    best = highest.index(max(highest))
    item = items.parts[nearest[best]]
    quote = " ".join(item.text.split())
    quote = quote if len(quote) <= MAX_QUOTE else f"{quote[: MAX_QUOTE - 1]}…"
    reason = f"{parts[best].field} is nearest to {item.field} of {item.owner}: {quote!r}"
    return Score(float(np.clip(highest[best], -1.0, 1.0)), reason)
