"""What each arm trains on. Every choice is blind and depends on ids and the recipe's seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from assay.components.filters.columns import draw
from assay.core.arms import CURVE, is_curve
from assay.core.errors import RecipeError
from assay.core.recipe import Proof
from assay.core.roles import SelectsSamples, Trainer
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome
from assay.stats.distributions.distances import nearest_rows

RELABELLED = ("permuted-labels", "nearest-real")
"""`made_by` of samples that are those of their first parent, under another label."""


def hashed(*words: object) -> int:
    """63 bits of what is named: seeds are hashed, never counted up, so no two cells share noise."""
    text = "/".join(map(str, words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def training_seed(seed: int, nth: int) -> int:
    """Of the nth training of every arm: arms differ in their data and in nothing else."""
    return hashed(seed, "train", nth)


def blind_pick(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """`count` of the samples, or all where there are fewer, in their old order, by the lot of each id alone."""
    lots = hashed(seed, "pick")  # not those that a RandomSubset with this seed draws
    chosen = set(sorted(range(len(samples)), key=lambda nth: (draw(samples[nth].id, lots), nth))[:count])
    return [sample for nth, sample in enumerate(samples) if nth in chosen]


def shuffled_labels(samples: Sequence[Sample], seed: int, field: str = "label") -> list[Sample]:
    """The same samples with permuted labels, so that a label carries no information about its image."""
    order = sorted(range(len(samples)), key=lambda nth: hashed(seed, "shuffle", samples[nth].id))
    dealt = {nth: samples[order[place - 1]].text(field) for place, nth in enumerate(order)}
    return [
        replace(sample, fields={**sample.fields, field: dealt[nth]}, parents=(sample.id,), made_by="permuted-labels")
        for nth, sample in enumerate(samples)
    ]


@dataclass(frozen=True)
class Material:
    """What arms are made of."""

    generated: Sequence[Sample]
    kept: Sequence[Sample]
    real: Sequence[Sample] = ()
    nearest: Sequence[Sample] = ()
    """The real sample most like each of `kept`, in their order."""
    unusable: int = 0
    """Samples that the filters kept, and that the trainer cannot learn from."""
    dropped: int = 0
    """Samples that the filters dropped, which the trainer could not have learned from either."""
    lacking: str = ""
    """Why there are no samples, where none could be made."""


def usable(trainer: Trainer | None, samples: Sequence[Sample]) -> list[Sample]:
    """Those that a trainer can learn from, as far as it says."""
    return [one for one in samples if trainer.usable(one)] if isinstance(trainer, SelectsSamples) else list(samples)


def none_usable(owner: str, count: int) -> RecipeError:
    """What is said where the filters kept samples and the trainer can learn from none."""
    return RecipeError(
        f"{owner} has nothing to train on: its trainer can learn from none of {count} samples.",
        hint="A pair needs two different answers, one preferred; a task needs an instruction, and SFT its answer.",
    )


def samples_for(arm: str, material: Material, proof: Proof, seed: int) -> list[Sample]:
    """The samples `arm` trains on; see `core.arms`.

    Raises:
        RecipeError: There are none.
    """
    generated, kept, real = material.generated, material.kept, material.real
    if is_curve(arm):
        return few_of_each(real, int(arm.removeprefix(CURVE)), seed)
    makers: Mapping[str, Callable[[], list[Sample]]] = {
        "unfiltered": lambda: blind_pick(
            generated, len(kept) if proof.equal == "samples" else len(generated), hashed(seed, "unfiltered")
        ),
        "filtered": lambda: list(kept),
        "random-subset": lambda: blind_pick(generated, len(kept), seed),
        "permuted-labels": lambda: shuffled_labels(kept, seed),
        "real": lambda: blind_pick(real, len(kept), seed),
        "real-few-shot": lambda: few_of_each(real, proof.few, seed),
        "real+synthetic": lambda: [*kept, *few_of_each(real, proof.few, seed)],
        "human": lambda: list(real),
        "human+synthetic": lambda: [*kept, *real],
        "nearest-real": lambda: relabeled(material.nearest, kept),
    }
    name = proof.arm(arm)
    found = makers[name.kind]()
    if name.size is not None:  # the same lots for every size: a smaller part lies in a larger one
        found = blind_pick(found, name.size, hashed(seed, "part"))
    if not found:
        raise _nothing(arm, material)
    return found


def synthetic_in(chosen: Sequence[Sample], material: Material) -> int:
    """How many of the samples a run made; one under another label is what it was under its own."""
    known = {sample.id: sample for sample in (*material.kept, *material.real)}
    return sum((known.get(one.parents[0], one) if one.made_by in RELABELLED else one).synthetic for one in chosen)


def _nothing(arm: str, material: Material) -> RecipeError:
    """What is said of an arm without samples."""
    if material.unusable:
        return none_usable(f"The arm {arm!r}", material.unusable)
    if material.lacking:
        return RecipeError(f"The arm {arm!r} has nothing to train on: {material.lacking}")
    made = len(material.generated) + material.dropped
    return RecipeError(
        f"The arm {arm!r} has nothing to train on: the filters kept {len(material.kept)} of {made} samples.",
        hint="Loosen a filter; nothing has to be generated or scored again.",
    )


def few_of_each(samples: Sequence[Sample], few: int, seed: int, field: str = "label") -> list[Sample]:
    """`few` samples of each label, or all where there are fewer, sampled at random; in the original order."""
    by_label: dict[str, list[Sample]] = {}
    for sample in samples:
        by_label.setdefault(sample.text(field), []).append(sample)
    chosen = {sample.id for members in by_label.values() for sample in blind_pick(members, few, hashed(seed, "few"))}
    return [sample for sample in samples if sample.id in chosen]


def relabeled(nearest: Sequence[Sample], kept: Sequence[Sample], field: str = "label") -> list[Sample]:
    """Each real sample under the label of the generated one it stands for; one that is nearest to several comes often.

    The label stays the generated one's, so this arm differs from `filtered` in its images alone.
    """
    return [
        replace(
            real,
            fields={**real.fields, field: sample.text(field)},
            parents=(real.id, sample.id),
            made_by="nearest-real",
        )
        for real, sample in zip(nearest, kept, strict=True)
    ]


def nearest_of(
    kept: Sequence[Sample],
    looks: Mapping[str, Outcome],
    real: Sequence[Sample],
    theirs: Mapping[str, Outcome],
) -> list[Sample]:
    """The real sample whose fingerprint lies nearest to that of each of `kept`.

    Raises:
        RecipeError: A sample that was kept, or every real one, has no fingerprint.
    """
    there = [(sample, print_) for sample in real if isinstance(print_ := theirs[sample.id], Fingerprint)]
    missing = [sample.id for sample in kept if not isinstance(looks[sample.id], Fingerprint)]
    if missing or not there:
        raise RecipeError(
            f"The arm 'nearest-real' needs a fingerprint of every sample that was kept and of real ones: "
            f"{len(missing)} of {len(kept)} have none, and {len(there)} real ones have one.",
        )
    vectors = [print_.vector for sample in kept if isinstance(print_ := looks[sample.id], Fingerprint)]
    rows, _ = nearest_rows(vectors, [print_.vector for _, print_ in there])
    return [there[row][0] for row in rows]
