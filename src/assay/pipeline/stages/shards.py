"""The work of each stage: a picklable function of one shard that writes one file and says what is in it.

What a worker makes never travels through the engine: it goes to the run folder, and a tally comes back.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from assay.core.errors import ContractError, StoreError
from assay.core.lab import Lab, Models
from assay.core.roles import Artifact, Evaluator, Generator, Scorer, Source, Trainer
from assay.core.sample import Failure, Made, Sample
from assay.core.score import Outcome, Score, Unscored
from assay.core.scoring import score_isolated
from assay.pipeline.memory import room
from assay.store.atomic import disk_errors
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, read_outcomes, write_outcomes, write_results
from assay.store.shards import SAMPLES, read_encoded_images, read_samples, write_shard
from assay.store.tables import is_readable, read_metadata

Row = TypeVar("Row")
MODEL = "model"
"""Where in its folder a trainer leaves what it trained."""
ROWS = 2000
"""Rows of a part that a source writes."""


@dataclass(frozen=True)
class Tally:
    """What one shard holds now, and how many of it were made just now."""

    rows: int
    failed: int
    fresh: int


@dataclass(frozen=True)
class GenerateShard:
    """Seeds of one part."""

    target: Path
    seeds: tuple[Sample, ...]
    before: tuple[Path, ...] = ()
    """Parts of earlier rounds, which must be done."""


@dataclass(frozen=True)
class ScoreShard:
    """One part of samples, and where its outcomes go."""

    samples: Path
    target: Path


@dataclass(frozen=True)
class TrainShard:
    """One training."""

    folder: Path
    samples: tuple[Sample, ...]
    seed: int


@dataclass(frozen=True)
class ProveShard:
    """One trained model to measure."""

    target: Path
    arm: str
    nth: int
    artifact: Artifact


@dataclass(frozen=True)
class GeneratePart:
    """Makes one part, or only the rows of it that failed last time."""

    component: Generator
    models: Models
    seed: int

    def __call__(self, shard: GenerateShard, /) -> Tally:
        kept, blobs = self._kept(shard)
        todo = [seed for seed in shard.seeds if seed.id not in kept]
        images = StoredImages([])
        lab = Lab(self.seed, self.models, images, made=made_in(shard.before))
        fresh = self.component.generate(todo, lab) if todo else []
        if len(fresh) != len(todo):
            raise ContractError(f"{type(self.component).__name__} made {len(fresh)} of {len(todo)} seeds.")
        by_seed: dict[str, Made] = {**kept, **{seed.id: made for seed, made in zip(todo, fresh, strict=True)}}
        rows = [by_seed[seed.id] for seed in shard.seeds]
        write_shard(shard.target, rows, blobs | images.new)
        return Tally(len(rows), sum(isinstance(row, Failure) for row in rows), len(todo))

    def _kept(self, shard: GenerateShard) -> tuple[dict[str, Sample], dict[str, bytes]]:
        """What an earlier run made of these seeds, by seed, and its images."""
        old = made_before(shard)
        if old is None:
            return {}, {}
        kept = {seed.id: made for seed, made in zip(shard.seeds, old, strict=True) if isinstance(made, Sample)}
        return kept, read_encoded_images(shard.target)


@dataclass(frozen=True)
class ScorePart:
    """Scores one part, or only the rows of it whose scoring failed last time."""

    component: Scorer
    models: Models
    seed: int

    def __call__(self, shard: ScoreShard, /) -> Tally:
        samples = [made for made in read_samples(shard.samples) if isinstance(made, Sample)]
        done = self._done(shard.target)
        todo = [sample for sample in samples if sample.id not in done]
        lab = Lab(self.seed, self.models, StoredImages([shard.samples]))
        outcomes = score_isolated(self.component, todo, lab) if todo else []
        check_outcomes(type(self.component).__name__, self.component.scale.holds, todo, outcomes)
        by_id = {**done, **{sample.id: outcome for sample, outcome in zip(todo, outcomes, strict=True)}}
        rows = [by_id[sample.id] for sample in samples]
        write_outcomes(shard.target, [sample.id for sample in samples], rows)
        return Tally(len(rows), sum(failed(row) for row in rows), len(todo))

    def _done(self, target: Path) -> dict[str, Outcome]:
        old = readable(target, read_outcomes) or []
        return {id_: outcome for id_, outcome in old if not failed(outcome)}


@dataclass(frozen=True)
class ReadSource:
    """Reads a source once, in parts. The shard is the stage's folder."""

    component: Source
    models: Models

    def __call__(self, folder: Path, /) -> Tally:
        images = StoredImages([])
        samples = self.component.read(Lab(0, self.models, images))
        targets = []
        for start in range(0, len(samples), ROWS):
            targets.append(folder / part(start // ROWS))
            rows = samples[start : start + ROWS]
            if readable(targets[-1], read_samples) != list(rows):
                write_shard(targets[-1], rows, images.new)
        for stale in set(parts(folder)) - set(targets):  # of a source that was longer when a run was stopped
            stale.unlink()
        return Tally(len(samples), 0, len(samples))


@dataclass(frozen=True)
class TrainArm:
    """Trains one arm with one seed."""

    component: Trainer
    models: Models
    places: tuple[Path, ...]
    progress: Callable[[int, int], None] | None = None

    def __call__(self, shard: TrainShard, /) -> Artifact:
        images = StoredImages(self.places)
        lab = Lab(shard.seed, self.models, images, folder=shard.folder, progress=self.progress)
        # What was being written when a training was killed would count among the model's files.
        shutil.rmtree(shard.folder / MODEL, ignore_errors=True)
        with room(), full_disk_told(shard.folder):
            artifact = self.component.train(shard.samples, lab)
        return replace(artifact, path=Path(artifact.path).relative_to(shard.folder).as_posix())


@dataclass(frozen=True)
class ProveArm:
    """Measures one trained model on every held-out item."""

    component: Evaluator
    models: Models
    holdout: Path

    def __call__(self, shard: ProveShard, /) -> Tally:
        samples = samples_of(self.holdout)
        outcomes = self.component.evaluate(shard.artifact, samples, Lab(0, self.models, StoredImages([self.holdout])))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rows = [
            ResultRow(arm=shard.arm, seed=shard.nth, id=sample.id, outcome=outcome)
            for sample, outcome in zip(samples, outcomes, strict=True)
        ]
        write_results(shard.target, rows)
        return Tally(len(rows), sum(failed(row.outcome) for row in rows), len(rows))


def part(nth: int) -> str:
    """The file name of the nth part."""
    return f"part-{nth:05d}.parquet"


def parts(folder: Path) -> list[Path]:
    """The parts in a stage's folder, in order."""
    return sorted(folder.glob("part-*.parquet"))


def samples_of(folder: Path) -> list[Sample]:
    """Every sample in a stage's folder, in order; failures left out."""
    return [made for path in parts(folder) for made in read_samples(path) if isinstance(made, Sample)]


def check_outcomes(
    name: str, holds: Callable[[float], bool], samples: Sequence[Sample], outcomes: Sequence[Outcome]
) -> None:
    """Holds a scorer or an evaluator to its promise.

    Raises:
        ContractError: As many outcomes as samples were due, and every score on the component's own scale.
    """
    if len(outcomes) != len(samples):
        raise ContractError(f"{name} returned {len(outcomes)} outcomes for {len(samples)} samples.")
    for sample, outcome in zip(samples, outcomes, strict=True):
        if isinstance(outcome, Score) and not holds(outcome.value):
            raise ContractError(f"{name} gave sample {sample.id} {outcome.value}, which is off its own scale.")


def made_in(paths: Sequence[Path]) -> tuple[Sample, ...]:
    """Every sample in some parts, in order; failures left out."""
    return _made_in(tuple((path, path.stat().st_ino, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=1)
def _made_in(parts: tuple[tuple[Path, int, int], ...]) -> tuple[Sample, ...]:
    """Kept while a worker makes one part of a round after the other; a file that is written anew is read anew."""
    return tuple(made for path, _, _ in parts for made in read_samples(path) if isinstance(made, Sample))


def readable(path: Path, read: Callable[[Path], list[Row]]) -> list[Row] | None:
    """The rows of a part; None where it is not there, or is damaged: then it is removed, for only we can have made it.

    Raises:
        StoreError: It is damaged and cannot be removed.
    """
    if is_readable(path):
        try:
            return read(path)
        except StoreError:
            pass  # its footer is whole and its pages are not
    with disk_errors(path):
        path.unlink(missing_ok=True)
    return None


def made_before(shard: GenerateShard) -> list[Made] | None:
    """What an earlier run left in a part, one for each seed; None where there is none, or it is of other seeds."""
    old = readable(shard.target, read_samples)
    if old is None or len(old) != len(shard.seeds):
        return None
    return old if all(_made_of(seed, made) for seed, made in zip(shard.seeds, old, strict=True)) else None


def even_out(paths: Sequence[Path]) -> None:
    """Gives every part the columns that any of them has: a part of failures alone has none of its own."""
    columns = {path: {(c["field"], c["kind"]) for c in read_metadata(path, SAMPLES)["columns"]} for path in paths}
    union = set().union(*columns.values())
    for path, own in columns.items():
        if own != union:
            write_shard(path, read_samples(path), read_encoded_images(path), fields=union)


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Says of a library that ran out of disk what the store says of itself: each raises an error of its own for it."""
    try:
        yield
    except Exception as error:
        full = os.strerror(errno.ENOSPC)
        if getattr(error, "errno", None) == errno.ENOSPC or full in str(error):
            with disk_errors(folder):
                raise OSError(errno.ENOSPC, full) from error
        raise


def _made_of(seed: Sample, made: Made) -> bool:
    return made.seed == seed.id if isinstance(made, Failure) else seed.id in made.parents


def failed(outcome: Outcome) -> bool:
    """Whether scoring failed, which is tried again; what is not applicable or unparsed stays so."""
    return isinstance(outcome, Unscored) and outcome.cause == "failed"
