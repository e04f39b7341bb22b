"""CLIP scores of N images x K labels: assay against torchmetrics' definition applied pair by pair.

    python benchmarks/clip_matrix.py [--model embedded:fashion-clip]

torchmetrics' `clip_score` gives one mean of a list of pairs, so a score for every image and label costs a call a pair.
Here its public function is called N x K times with this very model and processor (it takes a function that returns
them), so that no loading is timed. Since transformers 5 `get_image_features` returns an object where torchmetrics 1.9
expects a tensor; `Unwrapped` takes the tensor out and does nothing else. "by label" is torchmetrics' own update
function with all N images at once, K times: the best that can be done with its parts. assay starts with empty caches
each round. All three give 100 * cosine; the public function clamps at 0, so it is compared with max(100 * cosine, 0).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torchmetrics
import transformers
from torchmetrics.functional.multimodal import clip_score
from torchmetrics.functional.multimodal.clip_score import _clip_score_update
from transformers import CLIPProcessor

from assay.core.model_kinds import Pixels
from assay.models import Device
from assay.models.image.clip import Clip, open_clip
from assay.models.loading import ModelRequest

WORDS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


class Unwrapped:
    """A CLIPModel that gives tensors, as transformers 4 did and torchmetrics 1.9 expects."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.config = model.config

    def to(self, device: torch.device) -> Unwrapped:
        self.model.to(device)
        return self

    def get_image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.model.get_image_features(pixels).pooler_output

    def get_text_features(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.model.get_text_features(tokens, mask).pooler_output


def opened(reference: str) -> Clip:
    """A `Clip` with empty caches."""
    return open_clip(ModelRequest(reference, Device(device="cpu")))


def assay_matrix(clip: Clip, images: Sequence[Pixels], texts: Sequence[str]) -> np.ndarray:
    return 100 * clip.embed_images(images) @ clip.embed_texts(texts).T


def pair_matrix(model: Unwrapped, processor: Any, images: Sequence[torch.Tensor], texts: Sequence[str]) -> np.ndarray:
    rows = [[clip_score(image, text, lambda: (model, processor)).item() for text in texts] for image in images]
    return np.asarray(rows)


def label_matrix(model: Unwrapped, processor: Any, images: Sequence[torch.Tensor], texts: Sequence[str]) -> np.ndarray:
    with torch.inference_mode():
        columns = [_clip_score_update(list(images), [text] * len(images), model, processor)[0] for text in texts]
    return torch.stack(columns, dim=1).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:fashion-clip")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    texts = [f"a photo of a {word}" for word in WORDS[: options.labels]]
    images = list(np.random.default_rng(0).integers(0, 256, (options.images, 28, 28), dtype=np.uint8))
    tensors = [torch.from_numpy(image)[None].expand(3, -1, -1) for image in images]
    times: dict[str, list[float]] = {"assay": [], "pair by pair": [], "by label": []}
    results: dict[str, np.ndarray] = {}
    for _ in range(options.rounds):
        clip = opened(options.model)
        model, processor = Unwrapped(clip.model), CLIPProcessor(clip.processor, clip.tokenizer)
        works = {
            "assay": lambda clip=clip: assay_matrix(clip, images, texts),
            "pair by pair": lambda model=model, p=processor: pair_matrix(model, p, tensors, texts),
            "by label": lambda model=model, p=processor: label_matrix(model, p, tensors, texts),
        }
        for name, work in works.items():
            started = time.perf_counter()
            results[name] = work()
            times[name].append(time.perf_counter() - started)
    apart = np.abs(np.maximum(results["assay"], 0) - results["pair by pair"]).max()
    apart_by_label = np.abs(results["assay"] - results["by label"]).max()
    print(f"{options.model}: {len(images)} images x {len(texts)} labels, {options.threads} threads, CPU")
    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}, torchmetrics {torchmetrics.__version__}"
    )
    for name, measured in times.items():
        print(f"{name:14s}{statistics.median(measured):9.3f} s  (median of {options.rounds})")
    print(f"largest difference of a score, of 100: {apart:.1e} pair by pair, {apart_by_label:.1e} by label")
    for name in ("pair by pair", "by label"):
        ratio = statistics.median(b / a for a, b in zip(times["assay"], times[name], strict=True))
        print(f"ratio {name:14s}{ratio:8.1f}")
    assert apart < 1e-3, "the numbers differ: the times compare different things"
    assert apart_by_label < 1e-3, "the numbers differ: the times compare different things"


if __name__ == "__main__":
    main()
