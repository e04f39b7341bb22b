"""Training samples of each arm. Every random choice depends on sample ids and the recipe's seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from assay.components.filters.columns import draw
from assay.core.arms import CURVE, is_curve
from assay.core.errors import RecipeError
from assay.core.lab import hash_seed
from assay.core.recipe import Proof
from assay.core.roles import SelectsSamples, Trainer
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome
from assay.stats.distributions.distances import nearest_rows

RELABELED = ("permuted-labels", "nearest-real")
"""`made_by` of samples that are copies of their first parent with another label."""


def training_seed(seed: int, nth: int) -> int:
    """Seed of the nth training. It is the same for every arm: arms differ only in their data."""
    return hash_seed(seed, "train", nth)


def random_sample(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """`count` samples drawn at random, or all if there are fewer, in the original order.

    Whether a sample is drawn depends on its id and not on its position.
    """
    stream = hash_seed(seed, "pick")  # differs from that of a RandomSubset with this seed
    chosen = set(sorted(range(len(samples)), key=lambda nth: (draw(samples[nth].id, stream), nth))[:count])
    return [sample for nth, sample in enumerate(samples) if nth in chosen]


def permuted_labels(samples: Sequence[Sample], seed: int, field: str = "label") -> list[Sample]:
    """The same samples with permuted labels, so that a label carries no information about its image."""
    order = sorted(range(len(samples)), key=lambda nth: hash_seed(seed, "shuffle", samples[nth].id))
    labels = {nth: samples[order[place - 1]].text(field) for place, nth in enumerate(order)}
    return [
        replace(sample, fields={**sample.fields, field: labels[nth]}, parents=(sample.id,), made_by="permuted-labels")
        for nth, sample in enumerate(samples)
    ]


@dataclass(frozen=True)
class ArmData:
    """Samples that the training sets of arms are drawn from."""

    generated: Sequence[Sample]
    kept: Sequence[Sample]
    real: Sequence[Sample] = ()
    nearest: Sequence[Sample] = ()
    """The real sample nearest to each of `kept`, in their order."""
    unusable: int = 0
    """Number of kept samples that the trainer cannot learn from."""
    dropped: int = 0
    """Number of dropped samples that the trainer could not have learned from either."""
    generation_error: str = ""
    """Why there are no samples, if none could be generated."""


def usable_samples(trainer: Trainer | None, samples: Sequence[Sample]) -> list[Sample]:
    """Samples that a trainer can learn from; all if it does not select."""
    if not isinstance(trainer, SelectsSamples):
        return list(samples)
    return [sample for sample in samples if trainer.usable(sample)]


def no_usable_samples(owner: str, count: int) -> RecipeError:
    """Error for a trainer that can learn from none of the kept samples."""
    return RecipeError(
        f"{owner} has no training samples: its trainer can use none of {count} samples.",
        hint="A preference pair needs two different answers; a task needs an instruction, and an output for SFT.",
    )


def samples_for(arm: str, data: ArmData, proof: Proof, seed: int) -> list[Sample]:
    """The training samples of an arm; see `core.arms`.

    Raises:
        RecipeError: There are none.
    """
    generated, kept, real = data.generated, data.kept, data.real
    if is_curve(arm):
        return sample_per_label(real, int(arm.removeprefix(CURVE)), seed)
    selections: Mapping[str, Callable[[], list[Sample]]] = {
        "unfiltered": lambda: random_sample(
            generated, len(kept) if proof.equal == "samples" else len(generated), hash_seed(seed, "unfiltered")
        ),
        "filtered": lambda: list(kept),
        "random-subset": lambda: random_sample(generated, len(kept), seed),
        "permuted-labels": lambda: permuted_labels(kept, seed),
        "real": lambda: random_sample(real, len(kept), seed),
        "real-few-shot": lambda: sample_per_label(real, proof.few, seed),
        "real+synthetic": lambda: [*kept, *sample_per_label(real, proof.few, seed)],
        "human": lambda: list(real),
        "human+synthetic": lambda: [*kept, *real],
        "nearest-real": lambda: relabeled(data.nearest, kept),
    }
    name = proof.arm(arm)
    chosen = selections[name.kind]()
    if name.size is not None:  # one seed for all sizes: a smaller subset lies in a larger one
        chosen = random_sample(chosen, name.size, hash_seed(seed, "part"))
    if not chosen:
        raise _no_samples(arm, data)
    return chosen


def count_synthetic(chosen: Sequence[Sample], data: ArmData) -> int:
    """Number of synthetic samples; a relabeled sample counts as its original."""
    by_id = {sample.id: sample for sample in (*data.kept, *data.real)}
    originals = (by_id.get(sample.parents[0], sample) if sample.made_by in RELABELED else sample for sample in chosen)
    return sum(sample.synthetic for sample in originals)


def _no_samples(arm: str, data: ArmData) -> RecipeError:
    """Error for an arm without training samples."""
    if data.unusable:
        return no_usable_samples(f"The arm {arm!r}", data.unusable)
    if data.generation_error:
        return RecipeError(f"The arm {arm!r} has no training samples: {data.generation_error}")
    generated = len(data.generated) + data.dropped
    return RecipeError(
        f"The arm {arm!r} has no training samples: the filters kept {len(data.kept)} of {generated} samples.",
        hint="Loosen a filter; nothing has to be generated or scored again.",
    )


def sample_per_label(samples: Sequence[Sample], count: int, seed: int, field: str = "label") -> list[Sample]:
    """`count` samples of each label drawn at random, or all if there are fewer; in the original order."""
    by_label: dict[str, list[Sample]] = {}
    for sample in samples:
        by_label.setdefault(sample.text(field), []).append(sample)
    stream = hash_seed(seed, "few")
    chosen = {sample.id for members in by_label.values() for sample in random_sample(members, count, stream)}
    return [sample for sample in samples if sample.id in chosen]


def relabeled(nearest: Sequence[Sample], kept: Sequence[Sample], field: str = "label") -> list[Sample]:
    """Each real sample with the label of the generated sample that it replaces; a real sample may occur repeatedly.

    The labels are those of the generated samples, so this arm differs from `filtered` only in its images.
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


def nearest_real_samples(
    kept: Sequence[Sample],
    kept_prints: Mapping[str, Outcome],
    real: Sequence[Sample],
    real_prints: Mapping[str, Outcome],
) -> list[Sample]:
    """The real sample with the nearest fingerprint, for each kept sample.

    Raises:
        RecipeError: A kept sample, or every real sample, has no fingerprint.
    """
    candidates = [(sample, print_) for sample in real if isinstance(print_ := real_prints[sample.id], Fingerprint)]
    vectors = [print_.vector for sample in kept if isinstance(print_ := kept_prints[sample.id], Fingerprint)]
    if len(vectors) < len(kept) or not candidates:
        raise RecipeError(
            f"The arm 'nearest-real' needs fingerprints of all kept samples and of real samples: "
            f"{len(kept) - len(vectors)} of {len(kept)} kept samples have none, {len(candidates)} real samples have.",
        )
    rows, _ = nearest_rows(vectors, [print_.vector for _, print_ in candidates])
    return [candidates[row][0] for row in rows]
