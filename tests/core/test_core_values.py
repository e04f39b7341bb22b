from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.evaluators.accuracy import Accuracy
from assay.components.filters.threshold import Threshold
from assay.components.generators.generate_images import GenerateImages
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.trainers.image_classifier import ImageClassifier
from assay.core.effect import Effect
from assay.core.errors import (
    ContractError,
    FieldError,
    RecipeError,
    UserError,
    did_you_mean,
)
from assay.core.lab import Lab
from assay.core.recipe import Proof, Recipe
from assay.core.roles import ScoreTable
from assay.core.sample import Image, Sample
from assay.core.score import Fingerprint, Scale, Score
from error_fields import raises

IMAGE = Image("ab" * 32, 28, 28)


@pytest.mark.parametrize(
    ("sample", "id_"),
    [
        (Sample({}), "ae6b349e58dd84cc"),
        (Sample({"label": "bag", "prompt": "a bag"}, made_by="Paint", nth=3), "8df725a6a09e7c84"),
        (Sample({"label": "Äpfel ✓", "image": IMAGE}, parents=("a", "b")), "b119d29dbe4d1343"),
    ],
)
def test_sample_ids_do_not_change_between_versions(sample: Sample, id_: str) -> None:
    assert sample.id == id_


def test_an_id_does_not_depend_on_the_order_of_fields_and_depends_on_everything_else() -> None:
    sample = Sample({"label": "bag", "image": IMAGE}, ("p", "q"), "GenerateImages", 1)
    assert Sample({"image": IMAGE, "label": "bag"}, ("p", "q"), "GenerateImages", 1).id == sample.id
    others = [
        Sample({"label": "bag"}, ("p", "q"), "GenerateImages", 1),
        Sample({"label": "coat", "image": IMAGE}, ("p", "q"), "GenerateImages", 1),
        Sample({"label": "bag", "image": Image("cd" * 32, 28, 28)}, ("p", "q"), "GenerateImages", 1),
        Sample({"label": "bag", "image": IMAGE}, ("q", "p"), "GenerateImages", 1),
        Sample({"label": "bag", "image": IMAGE}, ("p", "q"), "paint", 1),
        Sample({"label": "bag", "image": IMAGE}, ("p", "q"), "GenerateImages", 2),
    ]
    assert len({sample.id, *(other.id for other in others)}) == 7


def test_a_missing_field_is_named_with_the_nearest() -> None:
    sample = Sample({"label": "bag", "image": IMAGE})
    with raises(FieldError, name="lable", sample=sample.id, value=None) as caught:
        sample.text("lable")
    assert "'label'" in caught.value.hint
    with raises(FieldError, name="image", value=IMAGE):
        sample.text("image")
    with raises(FieldError, name="label", value="bag"):
        sample.image("label")
    assert sample.image() == IMAGE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_and_fingerprints_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="Unscored"):
        Score(value)
    with pytest.raises(ValueError, match="Unscored"):
        Fingerprint((0.0, value))
    with pytest.raises(ValueError, match="Unscored"):
        Fingerprint(())


def test_a_scale_holds_its_ends_and_nothing_beyond() -> None:
    scale = Scale("probability", 0.0, 1.0)
    assert [scale.holds(x) for x in (-0.01, 0.0, 1.0, 1.01)] == [False, True, True, False]
    assert Scale("nats").holds(-1e9)


def test_one_observation_has_no_interval() -> None:
    assert Effect(0.5, None, None, 1, 0.95, "none").estimate == 0.5
    with pytest.raises(ValueError, match="n = 1"):
        Effect(0.5, 0.4, 0.6, 1, 0.95, "wilson")


@given(st.integers(0, 2**32), st.integers(0, 10), st.text(max_size=5))
def test_randomness_depends_on_seed_sample_and_purpose_alone(seed: int, nth: int, purpose: str) -> None:
    sample = Sample({"label": "bag"}, nth=nth)
    lab = Lab(seed, None, None)  # type: ignore[arg-type]
    sample_seed = lab.seed_of(sample, purpose)
    lab.rng(sample, "other").random()
    assert lab.seed_of(Sample({"label": "bag"}, nth=nth), purpose) == sample_seed
    assert 0 <= sample_seed < 2**63
    others = {
        Lab(seed + 1, None, None).seed_of(sample, purpose),  # type: ignore[arg-type]
        lab.seed_of(Sample({"label": "bag"}, nth=nth + 1), purpose),
        lab.seed_of(sample, purpose + "x"),
    }
    assert len({sample_seed, *others}) == 4


def test_only_trainers_have_a_folder() -> None:
    with pytest.raises(ContractError):
        Lab(0, None, None).workspace()  # type: ignore[arg-type]


def test_a_contract_error_is_no_user_error() -> None:
    assert not issubclass(ContractError, UserError)
    assert str(pickle.loads(pickle.dumps(ContractError("x")))) == "x"


def test_the_nearest_name_comes_first_and_all_are_listed() -> None:
    assert did_you_mean("clipmatch", ["Other", "ClipMatch"]) == "Did you mean 'ClipMatch'? Known: ClipMatch, Other."
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b."


def test_a_table_names_the_column_it_lacks() -> None:
    table = ScoreTable(["1"], {"match": [Score(1.0)]}, {"label": ["bag"]})
    assert len(table) == 1
    assert table.column("match") == [Score(1.0)]
    assert table.field_values("label") == ["bag"]
    with pytest.raises(FieldError, match="'match'"):
        table.column("mach")
    with pytest.raises(FieldError, match="'label'"):
        table.field_values("lable")


GENERATE = GenerateImages("somewhere", ("bag", "coat"), 1)
TRAIN = ImageClassifier(("bag", "coat"))
DATA = FashionMNIST(per_label=1)


def test_an_invalid_recipe_or_proof_is_refused_by_its_constructor() -> None:
    with pytest.raises(RecipeError, match=r"'filterd'.*\n.*'filtered'"):
        Proof(DATA, Accuracy(), arms=("filterd",))
    with pytest.raises(RecipeError, match="real"):
        Proof(DATA, Accuracy(), arms=("real",))
    with pytest.raises(RecipeError):
        Proof(DATA, Accuracy(), arms=("filtered", "filtered"))
    with pytest.raises(RecipeError):
        Proof(DATA, Accuracy(), arms=())
    with pytest.raises(RecipeError, match="seeds"):
        Proof(DATA, Accuracy(), seeds=0)
    with pytest.raises(RecipeError, match="train"):
        Recipe("x", GENERATE, prove=Proof(DATA, Accuracy()))
    with pytest.raises(RecipeError, match=r"\.\./x"):
        Recipe("../x", GENERATE)
    with pytest.raises(RecipeError, match="'match'"):
        Recipe("x", GENERATE, keep=(Threshold("match", low=0.5),))
    assert Recipe("x", GENERATE, train=TRAIN, prove=Proof(DATA, Accuracy())).seed == 0
