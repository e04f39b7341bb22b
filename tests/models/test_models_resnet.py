from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ConvNextImageProcessorPil, ResNetForImageClassification

import checkpoints
from assay.core.errors import ModelError
from assay.core.model_kinds import Pixels
from assay.models import OpenModels


def test_labels_are_those_of_the_checkpoint(models: OpenModels, folders: dict[str, Path]) -> None:
    assert models.classifier(str(folders["resnet"])).labels == checkpoints.LABELS


def test_equals_transformers(models: OpenModels, folders: dict[str, Path], photographs: list[Pixels]) -> None:
    images = [Image.fromarray(image).convert("RGB") for image in photographs]
    processor = ConvNextImageProcessorPil.from_pretrained(folders["resnet"])
    network = ResNetForImageClassification.from_pretrained(folders["resnet"])
    with torch.inference_mode():
        expected = network(processor(images=images, return_tensors="pt")["pixel_values"]).logits.numpy()
    logits = models.classifier(str(folders["resnet"])).logits(photographs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 17])
def test_logits_do_not_depend_on_the_batch(
    models: OpenModels, folders: dict[str, Path], photographs: list[Pixels], size: int
) -> None:
    model = models.classifier(str(folders["resnet"]))
    parts = [model.logits(photographs[start : start + size]) for start in range(0, len(photographs), size)]
    assert np.array_equal(np.concatenate(parts), model.logits(photographs))
    assert np.array_equal(model.logits(photographs[::-1])[::-1], model.logits(photographs))


def test_empty_batch(models: OpenModels, folders: dict[str, Path]) -> None:
    assert models.classifier(str(folders["resnet"])).logits([]).shape == (0, 3)


def test_16_bit_weights_are_computed_in_32_bit(
    models: OpenModels, folders: dict[str, Path], tmp_path: Path, photographs: list[Pixels]
) -> None:
    network = ResNetForImageClassification.from_pretrained(folders["resnet"], dtype=torch.bfloat16)
    network.save_pretrained(tmp_path / "half")
    ConvNextImageProcessorPil.from_pretrained(folders["resnet"]).save_pretrained(tmp_path / "half")
    model = models.classifier(str(tmp_path / "half"))
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.float32}  # type: ignore[attr-defined]
    expected = models.classifier(str(folders["resnet"])).logits(photographs)
    np.testing.assert_allclose(model.logits(photographs), expected, atol=0.05)


def test_weights_without_a_head_are_refused(models: OpenModels, folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = checkpoints.resnet(tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "classifier" not in k}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match="classifier"):
        models.classifier(str(folder))
