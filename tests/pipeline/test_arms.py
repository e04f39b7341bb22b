"""Training samples of each arm."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import run_parts
from assay.core.arms import ARMS, BASE
from assay.core.errors import RecipeError
from assay.core.recipe import Proof
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome, Unscored
from assay.pipeline.stages.arms import (
    ArmData,
    nearest_real_samples,
    permuted_labels,
    random_sample,
    relabeled,
    sample_per_label,
    samples_for,
    training_seed,
)


def samples(count: int, kind: str = "made") -> list[Sample]:
    return [Sample({"label": ("bag", "coat", "boot")[nth % 3]}, made_by=kind, nth=nth) for nth in range(count)]


def proof(**changes: object) -> Proof:
    values: dict[str, object] = {"holdout": run_parts.Plates(), "evaluate": run_parts.Right(), **changes}
    return Proof(**values)  # type: ignore[arg-type]


GENERATED, REAL = samples(30), samples(60, "real")
KEPT = [sample for nth, sample in enumerate(GENERATED) if nth % 4]
ARM_DATA = ArmData(GENERATED, KEPT, REAL, REAL[: len(KEPT)])


def test_sizes_of_the_training_sets() -> None:
    sizes = {arm: len(samples_for(arm, ARM_DATA, proof(few=2), seed=1)) for arm in ARMS if arm != BASE}
    n = len(KEPT)
    assert sizes == {
        "real": n,
        "unfiltered": 30,
        "filtered": n,
        "random-subset": n,
        "permuted-labels": n,
        "real-few-shot": 6,
        "real+synthetic": n + 6,
        "nearest-real": n,
        "human": len(ARM_DATA.real),
        "human+synthetic": n + len(ARM_DATA.real),
    }
    equal = samples_for("unfiltered", ARM_DATA, proof(equal="samples"), seed=1)
    assert len(equal) == n
    assert {sample.id for sample in equal} <= {sample.id for sample in GENERATED}


def test_random_subsets_of_two_arms_are_independent() -> None:
    """`unfiltered` cut to size and `random-subset` draw with different seeds."""
    picks = [
        {sample.nth for sample in samples_for(arm, ARM_DATA, proof(equal="samples"), seed=1)}
        for arm in ("unfiltered", "random-subset")
    ]
    assert picks[0] != picks[1]


@given(st.integers(0, 40), st.integers(0, 5), st.randoms())
def test_a_random_sample_depends_on_ids_alone(count: int, seed: int, random: object) -> None:
    shuffled = list(GENERATED)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = random_sample(GENERATED, count, seed)
    assert len(chosen) == min(count, 30)
    assert {sample.id for sample in chosen} == {sample.id for sample in random_sample(shuffled, count, seed)}
    assert [sample.nth for sample in chosen] == sorted(sample.nth for sample in chosen)


@given(st.integers(1, 30), st.integers(0, 5))
def test_a_sample_per_label(few: int, seed: int) -> None:
    counts = Counter(sample.text("label") for sample in sample_per_label(REAL, few, seed))
    assert counts == {label: min(few, 20) for label in ("bag", "coat", "boot")}


def test_permuting_labels_keeps_their_counts_and_removes_their_information() -> None:
    originals = samples(3000)
    permuted = permuted_labels(originals, seed=3)
    assert Counter(s.text("label") for s in permuted) == Counter(s.text("label") for s in originals)
    same = np.mean([a.text("label") == b.text("label") for a, b in zip(permuted, originals, strict=True)])
    assert same == pytest.approx(1 / 3, abs=0.04)
    assert [sample.parents for sample in permuted] == [(sample.id,) for sample in originals]


def test_nearest_is_by_fingerprint_and_keeps_the_generated_label() -> None:
    kept, real = samples(3), samples(4, "real")
    looks: dict[str, Outcome] = {s.id: Fingerprint((float(nth), 0.0)) for nth, s in enumerate(kept)}
    theirs: dict[str, Outcome] = {s.id: Fingerprint((3.0 - nth, 0.1)) for nth, s in enumerate(real)}
    theirs[real[3].id] = Unscored("failed", "does not decode")
    nearest = nearest_real_samples(kept, looks, real, theirs)
    assert [sample.nth for sample in nearest] == [2, 2, 1]
    arm = relabeled(nearest, kept)
    assert [sample.text("label") for sample in arm] == [sample.text("label") for sample in kept]
    assert len({sample.id for sample in arm}) == 3
    looks[kept[0].id] = Unscored("failed", "no image")
    with pytest.raises(RecipeError, match=r"'nearest-real'.*1 of 3"):
        nearest_real_samples(kept, looks, real, theirs)


def test_seeds_are_hashed_and_the_same_for_every_arm() -> None:
    seeds = {training_seed(seed, nth) for seed in range(20) for nth in range(20)}
    assert len(seeds) == 400
    gaps = np.diff(sorted(seeds))
    assert gaps.min() > 1000


def test_an_arm_without_training_samples_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"'filtered'.* 0 of 30"):
        samples_for("filtered", ArmData(GENERATED, []), proof(), seed=1)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"arms": ("nearest-real",), "real": run_parts.Plates()}, ("'nearest-real'", "prove.fingerprint")),
        ({"arms": ("real+synthetic",)}, ("'real+synthetic'", "prove.real")),
        ({"arms": ("real-few-shot",)}, ("'real-few-shot'", "prove.real")),
        ({"few": 0}, ("prove.few", "0")),
        ({"equal": "epochs"}, ("prove.equal", "'epochs'")),
        ({"ood_scores": run_parts.Right()}, ("prove.ood_scores", "prove.ood", "prove.calibrate")),
    ],
)
def test_an_invalid_proof_is_refused(changes: dict[str, object], parts: tuple[str, ...]) -> None:
    with pytest.raises(RecipeError) as error:
        proof(**changes)
    assert [part for part in parts if part not in str(error.value)] == []
