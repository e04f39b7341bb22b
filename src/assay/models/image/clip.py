"""CLIP (Radford et al. 2021) from transformers as a `TwinEncoder`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.caches import EmbeddingCache
from assay.models.loading import (
    ModelRequest,
    check_finite,
    fetch,
    fixed_batches,
    image_batch_size,
    load_pretrained,
    wrong_kind_error,
)
from assay.models.references import read_json

if TYPE_CHECKING:
    from assay.core.model_kinds import Matrix, Pixels
    from assay.models.caches import Row

TEXT_ROWS = 8
"""Texts in a call of the text encoder; fixed, as `fixed_batches` explains."""
CACHE_BYTES = 64 * 2**20


class Clip:
    """Embed images and texts. Each distinct text is encoded once; image embeddings are cached."""

    def __init__(self, model: Any, processor: Any, tokenizer: Any, reference: str) -> None:
        """Wrap a loaded `CLIPModel`, its image processor (Pillow backend) and its tokenizer."""
        self.model = model
        self.processor = processor
        self.tokenizer = tokenizer
        self.reference = reference
        self._rows = image_batch_size(processor)
        self._texts: dict[str, Row] = {}
        self._images = EmbeddingCache(CACHE_BYTES)

    @property
    def logit_scale(self) -> float:
        """Factor of cosines before a softmax: the exponential of the learned parameter."""
        return float(self.model.logit_scale.detach().float().exp())

    def embed_images(self, images: Sequence[Pixels]) -> Matrix:
        """(n, dimensions), rows of unit length."""
        keys = [_digest(image) for image in images]
        rows_by_key = {key: row for key in keys if (row := self._images.get(key)) is not None}
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in rows_by_key}
        for batch, count in fixed_batches(list(new), self._rows):
            rows = self._encode_images([new[key] for key in batch])
            for key, row in zip(batch[:count], rows[:count], strict=True):
                rows_by_key[key] = row
                self._images.put(key, row)
        return self._stack([rows_by_key[key] for key in keys])

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """(n, dimensions), rows of unit length. Long texts are truncated; the end token stays."""
        new = list(dict.fromkeys(text for text in texts if text not in self._texts))
        for batch, count in fixed_batches(new, TEXT_ROWS):
            rows = self._encode_texts(batch)
            self._texts.update(zip(batch[:count], rows[:count], strict=True))
        return self._stack([self._texts[text] for text in texts])

    def _encode_images(self, images: Sequence[Pixels]) -> Matrix:
        import torch
        from PIL import Image

        inputs = [Image.fromarray(image).convert("RGB") for image in images]
        pixels = self.processor(images=inputs, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            output = self.model.get_image_features(pixel_values=pixels.to(self.model.device, self.model.dtype))
        return self._unit(output.pooler_output)

    def _encode_texts(self, texts: Sequence[str]) -> Matrix:
        import torch

        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            max_length=self.model.config.text_config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        with torch.inference_mode():
            output = self.model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        return self._unit(output.pooler_output)

    def _unit(self, features: Any) -> Matrix:
        from torch.nn import functional

        rows: Matrix = functional.normalize(features.float(), dim=-1).cpu().numpy()
        return check_finite(rows, self.reference)

    def _stack(self, rows: Sequence[Row]) -> Matrix:
        import numpy as np

        return np.stack(rows) if rows else np.empty((0, int(self.model.config.projection_dim)), dtype=np.float32)


def open_clip(request: ModelRequest) -> Clip:
    """Load a `CLIPModel`, its tokenizer and its image processor.

    Raises:
        ModelError: The model is not a CLIP model, or it cannot be loaded.
    """
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None:
        config = checkpoint.folder / "config.json"
        if not config.is_file() or read_json(config).get("model_type") != "clip":
            raise wrong_kind_error(checkpoint, "a CLIPModel")

    def load(local: bool) -> Clip:
        model = load_pretrained(CLIPModel, checkpoint, placement, local=local)
        # The Pillow class by name: with torchvision installed the auto class resizes differently.
        processor = CLIPImageProcessorPil.from_pretrained(checkpoint.location, local_files_only=local)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
        return Clip(model, processor, tokenizer, checkpoint.reference)

    clip = fetch(checkpoint, load)
    _check_end_token(clip)
    return clip


def _check_end_token(clip: Clip) -> None:
    """Reject a tokenizer whose end token is not the model's: all texts would have the same embedding."""
    tokenizer_end = clip.tokenizer.eos_token_id
    model_end = clip.model.config.text_config.eos_token_id
    if model_end not in (tokenizer_end, 2):  # OpenAI's checkpoints have 2; transformers then pools at the highest id
        raise ModelError(
            f"Model {clip.reference!r}: the end token of its tokenizer is {tokenizer_end}, "
            f"that of config.json is {model_end}.",
            model=clip.reference,
            tokenizer_end=tokenizer_end,
            model_end=model_end,
        )


def _digest(image: Pixels) -> bytes:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
