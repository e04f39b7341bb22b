from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

import checkpoints
from assay.core.errors import ModelError
from assay.core.model_kinds import ImageRequest, NotGenerated
from assay.models import OpenModels
from assay.models.image.diffusion import TILE, Diffusion

FAMILIES = {"sd": (32, 32), "sdxl": (32, 32, 3), "sd3": (32, 32, 3)}
STEPS = 3


def requests(count: int, *, guidance: float = 2.0) -> list[ImageRequest]:
    labels = checkpoints.LABELS
    return [ImageRequest(f"a photo of a {labels[n % 3]}", 100 + n, STEPS, guidance) for n in range(count)]


def generate_one_by_one(folder: Path, image_requests: list[ImageRequest]) -> list[np.ndarray]:
    """Reference: diffusers as in its manual, one image at a time."""
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    images = []
    for request in image_requests:
        image = pipeline(
            request.prompt,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="np",
        ).images[0]
        images.append((image * 255).round().astype(np.uint8).squeeze())
    return images


@pytest.mark.parametrize("family", FAMILIES)
def test_each_pipeline_family_generates(models: OpenModels, folders: dict[str, Path], family: str) -> None:
    model: Any = models.image_model(str(folders[family]))
    images = model.generate(requests(2))
    assert [image.shape for image in images] == [FAMILIES[family]] * 2
    assert all(image.dtype == np.uint8 and image.flags.writeable for image in images)
    assert not np.array_equal(images[0], images[1])
    network = getattr(model.pipeline, "unet", None) or model.pipeline.transformer
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_pixels_do_not_depend_on_the_batch(models: OpenModels, folders: dict[str, Path], family: str) -> None:
    model = models.image_model(str(folders[family]))
    image_requests = requests(TILE + 3)
    images = model.generate(image_requests)
    for size in (1, 2, 3, 5, 7) if family == "sd" else (3, 7):
        starts = range(0, min(7, len(image_requests)), size)
        parts = [image for start in starts for image in model.generate(image_requests[start : start + size])]
        assert len(parts) >= 7
        assert all(np.array_equal(a, b) for a, b in zip(parts, images, strict=False)), size
    backwards = model.generate(image_requests[::-1])[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(backwards, images, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_a_loop_over_single_images(models: OpenModels, folders: dict[str, Path], family: str) -> None:
    """Another batch size selects another kernel, 1e-6 apart, so that a few gray levels round the other way."""
    image_requests = requests(5)
    images = np.stack(
        [np.asarray(image) for image in models.image_model(str(folders[family])).generate(image_requests)]
    )
    difference = np.abs(images.astype(int) - np.stack(generate_one_by_one(folders[family], image_requests)).astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


def test_mixed_requests_come_back_in_order(models: OpenModels, folders: dict[str, Path]) -> None:
    model = models.image_model(str(folders["sd"]))
    base = requests(1)[0]
    mixed = [
        base,
        replace(base, guidance=1.0),
        replace(base, steps=2),
        replace(base, width=40, height=32),
        replace(base, negative_prompt="a coat"),
        replace(base, seed=2**63 - 1),
        base,
    ]
    together = [np.asarray(image) for image in model.generate(mixed)]
    alone = [np.asarray(model.generate([request])[0]) for request in mixed]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert together[3].shape == (32, 40)
    assert np.array_equal(together[0], together[6])
    assert not any(np.array_equal(together[0], other) for other in together[1:6] if other.shape == (32, 32))


def test_empty_request(models: OpenModels, folders: dict[str, Path]) -> None:
    assert models.image_model(str(folders["sd"])).generate([]) == []


def test_assay_json_sets_the_crop(models: OpenModels, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "cropped"
    shutil.copytree(folders["sd"], folder)
    (folder / "assay.json").write_text(json.dumps({"crop": 2}))
    image_requests = requests(1)
    cropped = np.asarray(models.image_model(str(folder)).generate(image_requests)[0])
    uncropped = np.asarray(models.image_model(str(folders["sd"])).generate(image_requests)[0])
    assert np.array_equal(cropped, uncropped[2:-2, 2:-2])
    sized = models.image_model(str(folder)).generate([replace(image_requests[0], width=36, height=28)])[0]
    assert np.asarray(sized).shape == (28, 36)


@pytest.mark.parametrize("text", ['{"crop": -1}', '{"crop": "2"}', '{"corp": 2}', "[2]", "{"])
def test_invalid_assay_json_is_rejected(
    models: OpenModels, folders: dict[str, Path], tmp_path: Path, text: str
) -> None:
    folder = tmp_path / "wrong"
    shutil.copytree(folders["sd"], folder)
    (folder / "assay.json").write_text(text)
    with pytest.raises(ModelError, match=r"assay\.json"):
        models.image_model(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_that_are_not_finite_are_a_failure(folders: dict[str, Path], value: float) -> None:
    model = constant_model(folders["sd"], bias=value)
    outputs = model.generate(requests(2))
    expected = NotGenerated("pixels are not finite") if np.isnan(value) else NotGenerated("constant image")
    assert outputs in ([expected] * 2, [NotGenerated("pixels are not finite")] * 2)


@pytest.mark.parametrize(("bias", "reason"), [(-5.0, "black image"), (0.1, "constant image")])
def test_constant_image_is_a_failure(folders: dict[str, Path], bias: float, reason: str) -> None:
    assert constant_model(folders["sd"], bias=bias).generate(requests(1)) == [NotGenerated(reason)]


def constant_model(folder: Path, *, bias: float) -> Diffusion:
    """A pipeline whose decoder ends with one constant."""
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.weight.zero_()
        pipeline.vae.decoder.conv_out.bias.fill_(bias)
    return Diffusion(pipeline, "broken")


def test_flagged_image_is_a_failure(models: OpenModels, tmp_path: Path) -> None:
    checker, images = checkpoints.safety_checker(flags=True)
    folder = checkpoints.stable_diffusion(
        tmp_path / "checked",
        vae=checkpoints.autoencoder(3),
        safety_checker=checker,
        feature_extractor=images,
        requires_safety_checker=True,
    )
    assert models.image_model(str(folder)).generate(requests(2)) == [NotGenerated("safety checker")] * 2


def test_size_that_the_pipeline_rejects(models: OpenModels, folders: dict[str, Path]) -> None:
    model = models.image_model(str(folders["sd"]))
    with pytest.raises(ModelError, match="divisible by 8"):
        model.generate([replace(requests(1)[0], width=30, height=30)])


def test_argument_that_the_pipeline_lacks(folders: dict[str, Path]) -> None:
    class Wordless:
        """A pipeline of somebody else's, with fewer arguments."""

        def __call__(self, prompt: list[str], num_inference_steps: int, generator: Any, output_type: str) -> None:
            raise AssertionError

    with pytest.raises(ModelError, match="negative_prompt"):
        Diffusion(Wordless(), "theirs").generate([replace(requests(1, guidance=1.0)[0], negative_prompt="a coat")])
