"""Existing data in place of generated data."""

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
    """Use the samples of a text source unchanged, so that existing data runs through the same loop as generated data.

    The samples are scored, filtered, trained on and evaluated like generated ones. `made_by` stays as the source has
    it. Identical samples get different `nth`. The parent of each sample is the source's own sample.
    """

    source: Source

    version: ClassVar[int] = 1

    def listing(self) -> str:
        """Digest of the files that the source reads."""
        return listing_of(self.source)

    def seeds(self) -> Sequence[Sample]:
        """Return the samples of the source.

        Raises:
            RecipeError: The samples are images.
            UserError: The source cannot be read.
        """
        samples: dict[str, Sample] = {}
        for sample in read_texts("FromSource.source", self.source):
            while sample.id in samples:
                sample = replace(sample, nth=sample.nth + 1)
            samples[sample.id] = sample
        return list(samples.values())

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        return [replace(seed, parents=(seed.id, *seed.parents)) for seed in seeds]
