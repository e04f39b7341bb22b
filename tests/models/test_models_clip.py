from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

from assay.core.errors import ModelError
from assay.core.model_kinds import Pixels
from assay.models import Device, OpenModels
from assay.models.image.clip import Clip, open_clip
from assay.models.loading import ModelRequest
from error_fields import raises

TEXTS = ("a bag", "a light photo of a coat", "a sandal", "")


@pytest.fixture
def clip(folders: dict[str, Path]) -> Clip:
    """Model with empty caches."""
    return open_clip(ModelRequest(str(folders["clip"]), Device(device="cpu")))


def count_rows(part: torch.nn.Module) -> list[int]:
    """List to which every later call of `part` appends its number of rows."""
    rows: list[int] = []

    def record_rows(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = kwargs.get("input_ids", kwargs.get("pixel_values", args[0] if args else None))
        rows.append(len(inputs))

    part.register_forward_pre_hook(record_rows, with_kwargs=True)
    return rows


def transformers_outputs(folder: Path, images: list[Pixels]) -> tuple[np.ndarray, np.ndarray, float]:
    """Embeddings and logit scale by one call of transformers."""
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    inputs = [Image.fromarray(image).convert("RGB") for image in images]
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=inputs, return_tensors="pt")["pixel_values"]
    tokens = AutoTokenizer.from_pretrained(folder)(list(TEXTS), padding=True, return_tensors="pt")
    with torch.inference_mode():
        output = model(pixel_values=pixels, **tokens)
    logits = output.logits_per_image.numpy()
    return (
        output.image_embeds.numpy(),
        output.text_embeds.numpy(),
        float((logits / (output.image_embeds @ output.text_embeds.T).numpy()).mean()),
    )


def test_equals_transformers(clip: Clip, folders: dict[str, Path], photographs: list[Pixels]) -> None:
    images, texts, scale = transformers_outputs(folders["clip"], photographs)
    np.testing.assert_allclose(clip.embed_images(photographs), images, atol=1e-6)
    np.testing.assert_allclose(clip.embed_texts(TEXTS), texts, atol=1e-6)
    assert clip.logit_scale == pytest.approx(scale, rel=1e-4)


def test_rows_are_float32_of_length_one(clip: Clip, photographs: list[Pixels]) -> None:
    for rows in (clip.embed_images(photographs), clip.embed_texts(TEXTS)):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert clip.embed_images([]).shape == clip.embed_texts([]).shape == (0, 32)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 17])
def test_image_embedding_does_not_depend_on_the_batch(
    folders: dict[str, Path], clip: Clip, photographs: list[Pixels], size: int
) -> None:
    other = open_clip(ModelRequest(str(folders["clip"]), Device(device="cpu")))
    parts = [other.embed_images(photographs[start : start + size]) for start in range(0, len(photographs), size)]
    assert np.array_equal(np.concatenate(parts), clip.embed_images(photographs))
    assert np.array_equal(np.concatenate([other.embed_texts([text]) for text in TEXTS]), clip.embed_texts(TEXTS))


def test_each_distinct_text_is_encoded_once(clip: Clip) -> None:
    rows = count_rows(clip.model.text_model)
    first = clip.embed_texts([*TEXTS, *TEXTS])
    assert len(rows) == 1
    again = clip.embed_texts(TEXTS[::-1])
    assert len(rows) == 1
    clip.embed_texts([*TEXTS, "a dress"])
    assert len(rows) == 2
    assert np.array_equal(first[:4], again[::-1])
    assert np.array_equal(first[:4], first[4:])


def test_each_distinct_image_is_encoded_once(clip: Clip, photographs: list[Pixels]) -> None:
    rows = count_rows(clip.model.vision_model)
    clip.embed_images(photographs)
    assert rows == [64]
    clip.embed_images(photographs[::-1])
    assert len(rows) == 1
    # Equal bytes in another shape are another image.
    clip.embed_images([photographs[0].reshape(14, 56)])
    assert len(rows) == 2


def test_image_cache_has_a_limit(clip: Clip, photographs: list[Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = clip.embed_images(photographs)
    monkeypatch.setattr(clip._images, "_limit", 3 * (32 * 4 + 32))
    rows = count_rows(clip.model.vision_model)
    changed = [255 - photograph for photograph in photographs]
    clip.embed_images(changed)
    assert clip._images._used <= 3 * (32 * 4 + 32)
    assert np.array_equal(clip.embed_images(photographs), expected)
    assert rows == [64] * 2


def test_truncated_text_keeps_its_end_token(clip: Clip) -> None:
    rows = clip.embed_texts(["a bag " * 40, "a coat " * 40])
    assert not np.allclose(rows[0], rows[1])


def test_tokenizer_with_another_end_token_is_rejected(folders: dict[str, Path], tmp_path: Path) -> None:
    model = CLIPModel.from_pretrained(folders["clip"])
    model.config.text_config.eos_token_id = 7
    model.save_pretrained(tmp_path / "clip")
    AutoTokenizer.from_pretrained(folders["clip"]).save_pretrained(tmp_path / "clip")
    CLIPImageProcessorPil.from_pretrained(folders["clip"]).save_pretrained(tmp_path / "clip")
    with raises(ModelError, model=str(tmp_path / "clip"), model_end=7):
        OpenModels(Device(device="cpu")).twin_encoder(str(tmp_path / "clip"))


def test_numbers_that_are_not_finite_are_an_error(clip: Clip, photographs: list[Pixels]) -> None:
    with torch.no_grad():
        clip.model.visual_projection.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        clip.embed_images(photographs[:1])
