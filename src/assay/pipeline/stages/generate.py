"""Stages that make or read samples: the generator, and the sources of real data.

A generator may work in rounds: a round starts after the previous one is complete, and reads its samples. Failed samples
are in no round's input; if a later run makes them, the rounds that were made without them stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from assay.core.errors import ContractError
from assay.core.lab import Lab, Models
from assay.core.roles import Generator, SelfSeeding, Source, WorksInRounds
from assay.core.sample import Failure, Made, Sample
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.context import RunContext, count_fresh
from assay.pipeline.stages.parts import ShardCounts, part_name, parts, read_part
from assay.pipeline.stages.stage import Stage, spec_of
from assay.store.images import StoredImages
from assay.store.shards import SAMPLES, read_encoded_images, read_shard, write_shard
from assay.store.tables import read_metadata

SHARD = 64
"""Samples of a generated part: the maximum that a killed run loses."""
ROWS = 2000
"""Rows of a part of a source."""


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
        shards = plan_shards(self.generator, seeds, folder, SHARD)
        todo = [shard for shard in shards if _incomplete(_previous_rows(shard))]
        done = len(seeds) - sum(len(shard.seeds) for shard in todo)
        work = GeneratePart(context.bind(self.generator), context.models, self.seed)
        counts = context.map(work, todo, self.id, len(seeds), done)
        unify_columns([shard.target for shard in shards])
        failed = sum(shard.failed for shard in counts)
        return {
            "requested": len(seeds),
            "made": len(seeds) - failed,
            "failed": failed,
            "fresh": count_fresh(counts),
        }


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
        counts = context.map(ReadSource(self.source, context.models), [folder], self.id, 1, 0)
        return {"rows": sum(shard.rows for shard in counts)}


@dataclass(frozen=True)
class GenerateShard:
    """Seeds of one part."""

    target: Path
    seeds: tuple[Sample, ...]
    before: tuple[Path, ...] = ()
    """Parts of earlier rounds, which must be complete."""


@dataclass(frozen=True)
class GeneratePart:
    """Generates one part, or only its rows that failed in an earlier run."""

    component: Generator
    models: Models
    seed: int

    def __call__(self, shard: GenerateShard, /) -> ShardCounts:
        existing, blobs = self._existing(shard)
        todo = [seed for seed in shard.seeds if seed.id not in existing]
        images = StoredImages([])
        lab = Lab(self.seed, self.models, images, made=read_samples(shard.before))
        new = self.component.generate(todo, lab) if todo else []
        if len(new) != len(todo):
            raise ContractError(f"{type(self.component).__name__} returned {len(new)} samples for {len(todo)} seeds.")
        by_seed: dict[str, Made] = {**existing, **{seed.id: row for seed, row in zip(todo, new, strict=True)}}
        rows = [by_seed[seed.id] for seed in shard.seeds]
        write_shard(shard.target, rows, blobs | images.new)
        return ShardCounts(len(rows), sum(isinstance(row, Failure) for row in rows), len(todo))

    def _existing(self, shard: GenerateShard) -> tuple[dict[str, Sample], dict[str, bytes]]:
        """Samples that an earlier run made of these seeds, by seed, and their images."""
        rows = _previous_rows(shard)
        if rows is None:
            return {}, {}
        samples = {seed.id: row for seed, row in zip(shard.seeds, rows, strict=True) if isinstance(row, Sample)}
        return samples, read_encoded_images(shard.target)


@dataclass(frozen=True)
class ReadSource:
    """Reads a source and writes its samples in parts. The shard is the folder of the stage."""

    component: Source
    models: Models

    def __call__(self, folder: Path, /) -> ShardCounts:
        images = StoredImages([])
        samples = self.component.read(Lab(0, self.models, images))
        targets = []
        for start in range(0, len(samples), ROWS):
            targets.append(folder / part_name(start // ROWS))
            rows = samples[start : start + ROWS]
            if read_part(targets[-1], read_shard) != list(rows):
                write_shard(targets[-1], rows, images.new)
        for stale in set(parts(folder)) - set(targets):  # the source was longer when an earlier run was interrupted
            stale.unlink()
        return ShardCounts(len(samples), 0, len(samples))


def plan_shards(generator: SelfSeeding, seeds: Sequence[Sample], folder: Path, size: int) -> list[GenerateShard]:
    """The parts of all rounds, of at most `size` seeds unless a group is larger. Other generators have one round.

    Raises:
        ContractError: The rounds are not the seeds in their order.
    """
    rounds = generator.rounds(seeds) if isinstance(generator, WorksInRounds) else [[[seed] for seed in seeds]]
    if [seed for groups in rounds for group in groups for seed in group] != list(seeds):
        raise ContractError(f"The rounds of {type(generator).__name__} are not its seeds in their order.")
    shards: list[GenerateShard] = []
    for groups in rounds:
        before = tuple(shard.target for shard in shards)
        for batch in _batches(groups, size):
            shards.append(GenerateShard(folder / part_name(len(shards)), batch, before))
    return shards


def _batches(groups: Sequence[Sequence[Sample]], size: int) -> Iterator[tuple[Sample, ...]]:
    """Consecutive groups joined to batches of at most `size` samples."""
    batch: list[Sample] = []
    for group in groups:
        if batch and len(batch) + len(group) > size:
            yield tuple(batch)
            batch = []
        batch += group
    if batch:
        yield tuple(batch)


def read_samples(paths: Sequence[Path]) -> tuple[Sample, ...]:
    """Samples of parts, in order, without failures. The last result is cached until a file changes."""
    return _read_samples(tuple((path, path.stat().st_ino, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=1)
def _read_samples(files: tuple[tuple[Path, int, int], ...]) -> tuple[Sample, ...]:
    """Cached because a worker makes all parts of a round from the same samples."""
    return tuple(row for path, _, _ in files for row in read_shard(path) if isinstance(row, Sample))


def unify_columns(paths: Sequence[Path]) -> None:
    """Give all parts the same columns, as a part of failures alone has none."""
    columns = {path: {(c["field"], c["kind"]) for c in read_metadata(path, SAMPLES)["columns"]} for path in paths}
    union = set().union(*columns.values())
    for path, present in columns.items():
        if present != union:
            write_shard(path, read_shard(path), read_encoded_images(path), fields=union)


def _previous_rows(shard: GenerateShard) -> list[Made] | None:
    """Rows that an earlier run wrote, one per seed; None if there are none, or if they are of other seeds."""
    rows = read_part(shard.target, read_shard)
    if rows is None or len(rows) != len(shard.seeds):
        return None
    return rows if all(_is_of_seed(seed, row) for seed, row in zip(shard.seeds, rows, strict=True)) else None


def _is_of_seed(seed: Sample, row: Made) -> bool:
    return row.seed == seed.id if isinstance(row, Failure) else seed.id in row.parents


def _incomplete(rows: Sequence[Made] | None) -> bool:
    """Whether a part is missing or holds failures, which are retried."""
    return rows is None or any(isinstance(row, Failure) for row in rows)
