"""Scoring by a scorer that compares samples with each other: all parts are one job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.lab import Lab, Models
from assay.core.roles import Scorer, compares_samples
from assay.core.sample import Sample
from assay.pipeline.stages.shards import ScoreShard, Tally, check_outcomes, failed
from assay.store.images import StoredImages
from assay.store.rows import write_outcomes
from assay.store.shards import read_samples


def is_whole(scorer: Scorer) -> bool:
    """Whether a scorer is given all samples at once."""
    return compares_samples(scorer)


@dataclass(frozen=True)
class ScoreWhole:
    """Scores every sample of all parts together, and writes the outcomes part by part.

    If one failed, all are scored again: what is said of one may depend on others.
    """

    component: Scorer
    models: Models
    seed: int

    def __call__(self, shards: Sequence[ScoreShard], /) -> Tally:
        parts = [[made for made in read_samples(shard.samples) if isinstance(made, Sample)] for shard in shards]
        samples = [sample for part in parts for sample in part]
        lab = Lab(self.seed, self.models, StoredImages([shard.samples for shard in shards]))
        outcomes = self.component.score(samples, lab)
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rest = iter(outcomes)
        for shard, part in zip(shards, parts, strict=True):
            write_outcomes(shard.target, [sample.id for sample in part], [next(rest) for _ in part])
        return Tally(len(samples), sum(map(failed, outcomes)), len(samples))
