"""What each arm trains on. Every choice is blind and depends on ids and the recipe's seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from assay.core.errors import RecipeError
from assay.core.sample import Sample
from assay.filters.columns import draw


def hashed(*words: object) -> int:
    """63 bits of what is named: seeds are hashed, never counted up, so no two cells share noise."""
    text = "/".join(map(str, words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def training_seed(seed: int, nth: int) -> int:
    """Of the nth training of every arm: arms differ in their data and in nothing else."""
    return hashed(seed, "train", nth)


def blind_pick(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """`count` of the samples, or all where there are fewer, in their old order, by the lot of each id alone."""
    lots = hashed(seed, "pick")  # not those that a RandomShare with this seed draws
    chosen = set(sorted(range(len(samples)), key=lambda nth: (draw(samples[nth].id, lots), nth))[:count])
    return [sample for nth, sample in enumerate(samples) if nth in chosen]


def shuffled_labels(samples: Sequence[Sample], seed: int, field: str = "label") -> list[Sample]:
    """The same samples with their labels dealt out again: the label of each says nothing of its picture any more."""
    order = sorted(range(len(samples)), key=lambda nth: hashed(seed, "shuffle", samples[nth].id))
    dealt = {nth: samples[order[place - 1]].text(field) for place, nth in enumerate(order)}
    return [
        replace(sample, fields={**sample.fields, field: dealt[nth]}, parents=(sample.id,), made_by="shuffled-labels")
        for nth, sample in enumerate(samples)
    ]


def samples_for(
    arm: str, generated: Sequence[Sample], kept: Sequence[Sample], real: Sequence[Sample], seed: int
) -> list[Sample]:
    """The samples `arm` trains on; see `core.recipe.ARMS`.

    Raises:
        RecipeError: There are none.
    """
    if arm == "unfiltered":
        found = list(generated)
    elif arm == "filtered":
        found = list(kept)
    elif arm == "random-drop":
        found = blind_pick(generated, len(kept), seed)
    elif arm == "shuffled-labels":
        found = shuffled_labels(kept, seed)
    else:
        found = blind_pick(real, len(kept), seed)
    if not found:
        raise RecipeError(
            f"The arm {arm!r} has nothing to train on: the filters kept {len(kept)} of {len(generated)} samples.",
            hint="Loosen a filter; nothing has to be generated or scored again.",
        )
    return found
