"""Which rows of tokens each step of a tuning sees: parts in their shares, epoch after epoch, packed or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.core.errors import FieldError, did_you_mean
from assay.core.sample import Sample


@dataclass(frozen=True)
class Row:
    """A conversation as tokens."""

    ids: tuple[int, ...]
    start: int
    """Where the answer begins, at least 1: the loss is taken from there on."""


def value_of(sample: Sample, name: str) -> str:
    """The text field `name`; without such a field, `made_by` is the component that made the sample.

    Raises:
        FieldError: There is no such field.
    """
    return sample.made_by if name == "made_by" and name not in sample.fields else sample.text(name)


def parts_of(samples: Sequence[Sample], name: str, mixture: Mapping[str, float]) -> list[tuple[float, list[int]]]:
    """Weight and places of each part of a mixture; without one, a single part of all.

    Raises:
        FieldError: A sample has a value that `mixture` lacks, or no sample has one of its values.
    """
    if not mixture:
        return [(1.0, list(range(len(samples))))]
    places: dict[str, list[int]] = {value: [] for value in mixture}
    for nth, sample in enumerate(samples):
        if (value := value_of(sample, name)) not in places:
            raise FieldError(
                f"Sample {sample.id} has {value!r} in {name!r}, which SFT.mixture lacks.",
                hint=did_you_mean(value, places),
            )
        places[value].append(nth)
    for value, own in places.items():
        if not own:
            seen = {value_of(sample, name) for sample in samples}
            raise FieldError(
                f"SFT.mixture has a share for {value!r}, which no sample to learn from has in {name!r}.",
                hint=did_you_mean(value, seen),
            )
    return [(weight, places[value]) for value, weight in mixture.items()]


def stream(parts: Sequence[tuple[float, Sequence[int]]], seed: int) -> Iterator[int]:
    """Places without end: each part's epoch after epoch, in an order of its own.

    The part that is furthest behind its share is next, so every beginning of the stream is mixed as the whole.
    """
    total = sum(weight for weight, _ in parts)
    shares = [weight / total for weight, _ in parts]
    own = [_epochs(places, [seed, nth]) for nth, (_, places) in enumerate(parts)]
    taken = [0] * len(parts)
    while True:
        behind = [share * (sum(taken) + 1) - had for share, had in zip(shares, taken, strict=True)]
        nth = behind.index(max(behind))
        taken[nth] += 1
        yield next(own[nth])


def _epochs(places: Sequence[int], seed: Sequence[int]) -> Iterator[int]:
    epoch = 0
    while True:
        for place in np.random.default_rng([*seed, epoch]).permutation(len(places)):
            yield places[int(place)]
        epoch += 1


def unpacked(order: Iterator[int], count: int) -> list[tuple[int, ...]]:
    """`count` bins of one row each."""
    return [(next(order),) for _ in range(count)]


def packed(order: Iterator[int], lengths: Sequence[int], steps: int, batch: int, room: int) -> list[tuple[int, ...]]:
    """`steps` times `batch` bins of rows that fill up to `room` tokens, each row whole and in the fullest bin it fits.

    Rows come in the order of the stream; the first that fits in none of a step's bins opens the next step.
    """
    found: list[tuple[int, ...]] = []
    waiting = next(order)
    for _ in range(steps):
        bins: list[list[int]] = [[] for _ in range(batch)]
        free = [room] * batch
        while fitting := [nth for nth in range(batch) if free[nth] >= lengths[waiting]]:
            chosen = min(fitting, key=lambda nth: free[nth])
            bins[chosen].append(waiting)
            free[chosen] -= lengths[waiting]
            waiting = next(order)
        found += map(tuple, bins)
    return found
