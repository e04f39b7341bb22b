"""Stages that make or read samples: the generator, and the sources of real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.roles import SelfSeeding, Source
from assay.core.sample import Failure, Made
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.context import RunContext, fresh
from assay.pipeline.stages.rounds import planned
from assay.pipeline.stages.shards import GeneratePart, ReadSource, even_out, made_before
from assay.pipeline.stages.stage import Stage, spec_of

SHARD = 64
"""Samples of a generated part: the most that a killed run loses."""


@dataclass(frozen=True)
class GenerateStage(Stage):
    """Generates the samples of the recipe."""

    generator: SelfSeeding

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return spec_of(self.generator)

    @property
    def version(self) -> int:
        return version_of(self.generator)

    @property
    def components(self) -> tuple[object, ...]:
        return (self.generator,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        seeds = self.generator.seeds()
        shards = planned(self.generator, seeds, folder, SHARD)
        todo = [shard for shard in shards if _incomplete(made_before(shard))]
        done = len(seeds) - sum(len(shard.seeds) for shard in todo)
        work = GeneratePart(context.bind(self.generator), context.models, self.seed)
        tallies = context.map(work, todo, self.id, len(seeds), done)
        even_out([shard.target for shard in shards])
        lost = sum(tally.failed for tally in tallies)
        return {"requested": len(seeds), "made": len(seeds) - lost, "failed": lost, "fresh": fresh(tallies)}


@dataclass(frozen=True)
class SourceStage(Stage):
    """Reads one source: training data, held-out samples or OOD inputs."""

    source: Source

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return spec_of(self.source)

    @property
    def version(self) -> int:
        return version_of(self.source)

    @property
    def components(self) -> tuple[object, ...]:
        return (self.source,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        tallies = context.map(ReadSource(self.source, context.models), [folder], self.id, 1, 0)
        return {"rows": sum(tally.rows for tally in tallies)}


def _incomplete(rows: Sequence[Made] | None) -> bool:
    """Whether a part is missing or holds failures, which are retried."""
    return rows is None or any(isinstance(row, Failure) for row in rows)
