"""Data that are there already, as if a generator had made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from assay.components.generators.prompts import read_texts
from assay.core.lab import Lab
from assay.core.roles import Source, listing_of
from assay.core.sample import Made, Sample


@dataclass(frozen=True)
class FromSource:
    """The samples of a source of texts as they are, so that ready-made data run through the same loop.

    They are scored, kept, learned from and proved like generated ones. `made_by` stays what the source says. Samples
    that are the same in everything are told apart by `nth`. The parent of each is the source's own sample.
    """

    source: Source

    version: ClassVar[int] = 1

    def listing(self) -> str:
        """Listing of the source."""
        return listing_of(self.source)

    def seeds(self) -> Sequence[Sample]:
        """The samples of the source.

        Raises:
            RecipeError: They are images.
            UserError: As the source.
        """
        found: dict[str, Sample] = {}
        for sample in read_texts("FromSource.source", self.source):
            while sample.id in found:
                sample = replace(sample, nth=sample.nth + 1)
            found[sample.id] = sample
        return list(found.values())

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        return [replace(seed, parents=(seed.id, *seed.parents)) for seed in seeds]
