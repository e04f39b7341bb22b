"""Stages that score samples: score columns, and fingerprints of real samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.roles import Scorer, compares_samples
from assay.core.sample import Sample
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.context import RunContext, fresh
from assay.pipeline.stages.shards import ScorePart, ScoreShard, Tally, check_outcomes, failed, parts, readable
from assay.pipeline.stages.stage import Stage, StageId, spec_of
from assay.store.images import StoredImages
from assay.store.rows import read_outcomes, write_outcomes
from assay.store.shards import read_made


@dataclass(frozen=True)
class ScoreStage(Stage):
    """Scores the samples of another stage: a score column, or the fingerprints of real samples."""

    source: StageId
    scorer: Scorer

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return spec_of(self.scorer)

    @property
    def version(self) -> int:
        return version_of(self.scorer)

    @property
    def components(self) -> tuple[object, ...]:
        return (self.scorer,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        source = context.receipts[self.source].counts
        rows = source.get("made", source.get("rows", 0))
        scorer = context.bind(self.scorer)
        shards = [ScoreShard(path, folder / path.name) for path in parts(context.folders[self.source])]
        before = {shard: readable(shard.target, read_outcomes) for shard in shards}
        todo = [shard for shard, old in before.items() if old is None or any(failed(outcome) for _, outcome in old)]
        if todo and is_whole(scorer):
            tallies = context.map(ScoreWhole(scorer, context.models, self.seed), [shards], self.id, rows, 0)
        else:
            done = sum(len(old or ()) for shard, old in before.items() if shard not in todo)
            tallies = context.map(ScorePart(scorer, context.models, self.seed), todo, self.id, rows, done)
        return {"rows": rows, "failed": sum(tally.failed for tally in tallies), "fresh": fresh(tallies)}


def is_whole(scorer: Scorer) -> bool:
    """Whether a scorer compares samples with each other, and so needs all of them at once."""
    return compares_samples(scorer)


@dataclass(frozen=True)
class ScoreWhole:
    """Scores the samples of all parts together, and writes the outcomes part by part.

    If one sample failed, all are scored again, because an outcome may depend on other samples.
    """

    component: Scorer
    models: Models
    seed: int

    def __call__(self, shards: Sequence[ScoreShard], /) -> Tally:
        by_part = [[made for made in read_made(shard.samples) if isinstance(made, Sample)] for shard in shards]
        samples = [sample for part in by_part for sample in part]
        lab = Lab(self.seed, self.models, StoredImages([shard.samples for shard in shards]))
        outcomes = self.component.score(samples, lab)
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rest = iter(outcomes)
        for shard, part in zip(shards, by_part, strict=True):
            write_outcomes(shard.target, [sample.id for sample in part], [next(rest) for _ in part])
        return Tally(len(samples), sum(map(failed, outcomes)), len(samples))
