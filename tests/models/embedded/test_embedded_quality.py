"""Quality of the embedded models on the real test images, measured with the components of recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from assay.components.scorers.image.classifiers import ClassifierAgreement
from assay.components.scorers.image.clip import ClipMatch
from assay.components.sources.image.fashion_mnist import LABELS, FashionMNIST
from assay.core.lab import Lab
from assay.core.model_kinds import ImageRequest
from assay.core.sample import Sample
from assay.models.embedded.catalog import PACKAGED, embedded_models, models_folder
from assay.models.open_models import OpenModels
from assay.store.images import StoredImages

GUIDANCE, STEPS = 1.5, 10


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(7, OpenModels(), StoredImages([]))


@pytest.fixture(scope="module")
def photographs(lab: Lab) -> Sequence[Sample]:
    return FashionMNIST(split="test").read(lab)


def accuracy(outcomes: Sequence[object], photographs: Sequence[Sample]) -> float:
    pairs = zip(outcomes, photographs, strict=True)
    return sum(getattr(outcome, "answer", "") == sample.text("label") for outcome, sample in pairs) / len(photographs)


def test_clip_zero_shot_accuracy(lab: Lab, photographs: Sequence[Sample]) -> None:
    outcomes = ClipMatch(model="embedded:fashion-clip", labels=LABELS).score(photographs, lab)
    assert accuracy(outcomes, photographs) >= 0.88


def test_reference_classifier_accuracy(lab: Lab, photographs: Sequence[Sample]) -> None:
    outcomes = ClassifierAgreement(model="embedded:fashion-resnet50").score(photographs, lab)
    assert accuracy(outcomes, photographs) >= 0.92


@pytest.mark.parametrize("label", ["bag", "coat"])
def test_prompt_steers_the_image(lab: Lab, label: str) -> None:
    generator = lab.models.image_model("embedded:fashion-diffusion")
    means = {}
    for tone in ("light", "dark"):
        requests = [ImageRequest(f"a photo of a {tone} {label}", seed, STEPS, GUIDANCE) for seed in range(16)]
        means[tone] = np.array([np.mean(image) for image in generator.generate(requests)])  # type: ignore[arg-type]
    assert means["light"].mean() > means["dark"].mean() + 20
    assert (means["light"] > means["dark"]).sum() >= 14  # the same noise, so pair by pair


def test_reference_classifier_recognizes_generated_images(lab: Lab) -> None:
    generator = lab.models.image_model("embedded:fashion-diffusion")
    requests = [ImageRequest(f"a photo of a {label}", seed, STEPS, GUIDANCE) for label in LABELS for seed in range(8)]
    images = generator.generate(requests)
    assert all(isinstance(image, np.ndarray) and image.shape == (28, 28) for image in images)
    answers = lab.models.classifier("embedded:fashion-resnet50").logits(images).argmax(axis=1)  # type: ignore[arg-type]
    assert np.mean(answers == np.repeat(np.arange(10), 8)) >= 0.8


def test_each_model_has_a_card_and_all_are_small() -> None:
    models = [model for model in embedded_models() if model.reference.removeprefix("embedded:") not in PACKAGED]
    assert [model.reference for model in models] == [
        "embedded:fashion-clip",
        "embedded:fashion-diffusion",
        "embedded:fashion-resnet50",
    ]
    assert all(model.about.endswith(".") for model in models)
    assert sum(model.megabytes for model in models) < 40


def test_weights_are_16_bit_safetensors() -> None:
    from safetensors import safe_open

    files = sorted(models_folder().rglob("*.safetensors"))
    assert files
    for file in files:
        with safe_open(file, "np") as tensors:
            kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
        assert kinds <= {"F16", "I64"}, file
    assert not [file for file in models_folder().rglob("*") if file.suffix in {".bin", ".pt", ".ckpt", ".pkl"}]
