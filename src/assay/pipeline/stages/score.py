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
from assay.core.score import Outcome
from assay.core.scoring import score_isolated
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.context import RunContext, count_fresh
from assay.pipeline.stages.parts import ShardCounts, check_outcomes, is_failed, parts, read_part
from assay.pipeline.stages.stage import Stage, StageId, spec_of
from assay.store.images import StoredImages
from assay.store.rows import read_outcomes, write_outcomes
from assay.store.shards import read_shard


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
        before = {shard: read_part(shard.target, read_outcomes) for shard in shards}
        todo = [shard for shard, old in before.items() if old is None or any(is_failed(outcome) for _, outcome in old)]
        if todo and compares_samples(scorer):
            counts = context.map(ScoreTogether(scorer, context.models, self.seed), [shards], self.id, rows, 0)
        else:
            done = sum(len(old or ()) for shard, old in before.items() if shard not in todo)
            counts = context.map(ScorePart(scorer, context.models, self.seed), todo, self.id, rows, done)
        return {"rows": rows, "failed": sum(shard.failed for shard in counts), "fresh": count_fresh(counts)}


@dataclass(frozen=True)
class ScoreShard:
    """A part of samples, and the file of its outcomes."""

    samples: Path
    target: Path


@dataclass(frozen=True)
class ScorePart:
    """Scores one part, or only its rows whose scoring failed in an earlier run."""

    component: Scorer
    models: Models
    seed: int

    def __call__(self, shard: ScoreShard, /) -> ShardCounts:
        samples = [row for row in read_shard(shard.samples) if isinstance(row, Sample)]
        existing = self._existing(shard.target)
        todo = [sample for sample in samples if sample.id not in existing]
        lab = Lab(self.seed, self.models, StoredImages([shard.samples]))
        outcomes = score_isolated(self.component, todo, lab) if todo else []
        check_outcomes(type(self.component).__name__, self.component.scale.holds, todo, outcomes)
        by_id = {**existing, **{sample.id: outcome for sample, outcome in zip(todo, outcomes, strict=True)}}
        rows = [by_id[sample.id] for sample in samples]
        write_outcomes(shard.target, [sample.id for sample in samples], rows)
        return ShardCounts(len(rows), sum(is_failed(row) for row in rows), len(todo))

    def _existing(self, target: Path) -> dict[str, Outcome]:
        old = read_part(target, read_outcomes) or []
        return {id_: outcome for id_, outcome in old if not is_failed(outcome)}


@dataclass(frozen=True)
class ScoreTogether:
    """Scores the samples of all parts in one call, and writes the outcomes part by part.

    If one sample failed, all are scored again, because an outcome may depend on other samples.
    """

    component: Scorer
    models: Models
    seed: int

    def __call__(self, shards: Sequence[ScoreShard], /) -> ShardCounts:
        by_part = [[row for row in read_shard(shard.samples) if isinstance(row, Sample)] for shard in shards]
        samples = [sample for part in by_part for sample in part]
        lab = Lab(self.seed, self.models, StoredImages([shard.samples for shard in shards]))
        outcomes = self.component.score(samples, lab)
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rest = iter(outcomes)
        for shard, part in zip(shards, by_part, strict=True):
            write_outcomes(shard.target, [sample.id for sample in part], [next(rest) for _ in part])
        return ShardCounts(len(samples), sum(map(is_failed, outcomes)), len(samples))
