"""Order in which training steps see rows: mixture weights, epochs, packing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.core.errors import FieldError, did_you_mean
from assay.core.sample import Sample


@dataclass(frozen=True)
class EncodedConversation:
    """A conversation as token ids."""

    ids: tuple[int, ...]
    start: int
    """Index of the first answer token, at least 1; the loss is computed from there on."""


def mixture_value(sample: Sample, name: str) -> str:
    """Text field `name` of a sample. "made_by" is the component that made it, unless there is such a field.

    Raises:
        FieldError: There is no such field.
    """
    return sample.made_by if name == "made_by" and name not in sample.fields else sample.text(name)


def parts_of(samples: Sequence[Sample], name: str, mixture: Mapping[str, float]) -> list[tuple[float, list[int]]]:
    """Weight and sample indices of each part of a mixture; a single part of all samples if there is no mixture.

    Raises:
        FieldError: A sample has a value that `mixture` lacks, or no sample has one of its values.
    """
    if not mixture:
        return [(1.0, list(range(len(samples))))]
    places: dict[str, list[int]] = {value: [] for value in mixture}
    for nth, sample in enumerate(samples):
        if (value := mixture_value(sample, name)) not in places:
            raise FieldError(
                f"Sample {sample.id} has {value!r} in {name!r}, which SFT.mixture lacks.",
                hint=did_you_mean(value, places),
            )
        places[value].append(nth)
    for value, members in places.items():
        if not members:
            values = {mixture_value(sample, name) for sample in samples}
            raise FieldError(
                f"SFT.mixture has a weight for {value!r}, which no training sample has in {name!r}.",
                hint=did_you_mean(value, values),
            )
    return [(weight, places[value]) for value, weight in mixture.items()]


def row_order(parts: Sequence[tuple[float, Sequence[int]]], seed: int) -> Iterator[int]:
    """Endless stream of row indices: each part epoch after epoch, each epoch in a new random order.

    The next row comes from the part that is furthest behind its weight, so every prefix has the same mixture.
    """
    total = sum(weight for weight, _ in parts)
    fractions = [weight / total for weight, _ in parts]
    epochs = [_epochs(places, [seed, nth]) for nth, (_, places) in enumerate(parts)]
    counts = [0] * len(parts)
    while True:
        deficits = [fraction * (sum(counts) + 1) - count for fraction, count in zip(fractions, counts, strict=True)]
        nth = deficits.index(max(deficits))
        counts[nth] += 1
        yield next(epochs[nth])


def _epochs(places: Sequence[int], seed: Sequence[int]) -> Iterator[int]:
    epoch = 0
    while True:
        for place in np.random.default_rng([*seed, epoch]).permutation(len(places)):
            yield places[int(place)]
        epoch += 1


def single_row_bins(order: Iterator[int], count: int) -> list[tuple[int, ...]]:
    """`count` bins of one row each."""
    return [(next(order),) for _ in range(count)]


def packed_bins(
    order: Iterator[int], lengths: Sequence[int], steps: int, batch_size: int, capacity: int
) -> list[tuple[int, ...]]:
    """Pack whole rows into `steps` times `batch_size` bins of at most `capacity` tokens, by best fit.

    Rows come in the order of the stream; the first row that fits in no bin of a step starts the next step.
    """
    packed_bins: list[tuple[int, ...]] = []
    row = next(order)
    for _ in range(steps):
        bins: list[list[int]] = [[] for _ in range(batch_size)]
        free = [capacity] * batch_size
        while fitting := [nth for nth in range(batch_size) if free[nth] >= lengths[row]]:
            fullest = min(fitting, key=lambda nth: free[nth])
            bins[fullest].append(row)
            free[fullest] -= lengths[row]
            row = next(order)
        packed_bins += map(tuple, bins)
    return packed_bins
