"""Making samples in rounds: each is done before the next begins, whose workers then read what it made.

What a worker reads are the parts of earlier rounds, so a run that was killed goes on as if it had not been. A row that
failed is in no pool: where a later run makes it, the rounds that were made without it stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from assay.core.errors import ContractError
from assay.core.roles import Engine, SelfSeeding, Work, WorksInRounds
from assay.core.sample import Sample
from assay.pipeline.stages.shards import GenerateShard, part

In = TypeVar("In")
Out = TypeVar("Out")


def planned(generator: SelfSeeding, seeds: Sequence[Sample], folder: Path, size: int) -> list[GenerateShard]:
    """The parts of all rounds, of at most `size` seeds where no group is larger; one round where there are none.

    Raises:
        ContractError: The rounds are not the seeds in their order.
    """
    rounds = generator.rounds(seeds) if isinstance(generator, WorksInRounds) else [[[seed] for seed in seeds]]
    if [seed for groups in rounds for group in groups for seed in group] != list(seeds):
        raise ContractError(f"The rounds of {type(generator).__name__} are not its seeds in their order.")
    shards: list[GenerateShard] = []
    for groups in rounds:
        before = tuple(shard.target for shard in shards)
        for own in _filled(groups, size):
            shards.append(GenerateShard(folder / part(len(shards)), own, before))
    return shards


def _filled(groups: Sequence[Sequence[Sample]], size: int) -> Iterator[tuple[Sample, ...]]:
    """Groups put together, as many as fit."""
    own: list[Sample] = []
    for group in groups:
        if own and len(own) + len(group) > size:
            yield tuple(own)
            own = []
        own += group
    if own:
        yield tuple(own)


@dataclass(frozen=True)
class InRounds:
    """An engine that begins what needs earlier parts when these are done."""

    engine: Engine

    def map(self, work: Work[In, Out], shards: Sequence[In]) -> Iterator[Out]:
        """As the engine does, one round after the other."""
        for _, own in groupby(shards, key=lambda shard: getattr(shard, "before", ())):
            yield from self.engine.map(work, list(own))
