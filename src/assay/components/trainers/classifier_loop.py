"""The visible loop of `ImageClassifier`: start, prepared images, augmentation, schedule, steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.model_kinds import Pixels
from assay.models.loading import fetch
from assay.models.references import locate

if TYPE_CHECKING:
    import torch

WARM = 0.25
"""Share of the steps that the learning rate rises for."""
FIRST, LAST = 0.04, 1e-4
"""Of the peak rate, where the cycle starts and ends."""
RANDOM_SIZE = 32
"""Pixels."""


@dataclass(frozen=True)
class Recipe:
    """How to train: the same for every arm of a proof."""

    steps: int
    batch: int
    rate: float
    decay: float
    smoothing: float
    crop: float
    flip: bool


@dataclass(frozen=True)
class Start:
    """A model before training, its image processor, and which parts learn."""

    model: Any
    processor: Any
    frozen: bool


def begin(reference: str, labels: Sequence[str], size: int | None, *, freeze: bool) -> Start:
    """The model and the processor to start from; draws from torch's global randomness.

    Raises:
        ModelError: `reference` is no image classifier of color images that transformers can load.
    """
    names: dict[str, Any] = {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    if reference == "random":
        return Start(_resnet18(names), _plain_processor(size or RANDOM_SIZE), frozen=False)
    start = _checkpoint(reference, names)
    body = set(start.model.base_model.modules())
    for module in start.model.modules():
        # A head of the same size would else keep its old weights; a new one must come from our seed.
        if module not in body and hasattr(module, "reset_parameters"):
            module.reset_parameters()
    if freeze:
        start.model.base_model.requires_grad_(False)
    if size is not None:
        _resize(start.processor, size)
    return replace(start, frozen=freeze)


def _checkpoint(reference: str, names: dict[str, Any]) -> Start:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    checkpoint = locate(reference)

    def load(local: bool) -> Start:
        model = AutoModelForImageClassification.from_pretrained(
            checkpoint.location,
            num_labels=len(names["id2label"]),
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            local_files_only=local,
            adapter_kwargs={"local_files_only": local},  # as in models.loading
            **names,
        )
        processor = AutoImageProcessor.from_pretrained(checkpoint.location, local_files_only=local, backend="pil")
        return Start(model.float(), processor, frozen=False)

    start = fetch(checkpoint, load)
    if (channels := getattr(start.model.config, "num_channels", 3)) != 3:
        raise ModelError(f"Model {reference!r} takes images of {channels} channels; 3 are needed here.")
    return start


def _resnet18(names: dict[str, Any]) -> Any:
    """11.2 M parameters (He et al. 2016, table 1)."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        layer_type="basic", embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], **names
    )
    return ResNetForImageClassification(config)


def _plain_processor(size: int) -> Any:
    from transformers import ConvNextImageProcessorPil

    half = [0.5, 0.5, 0.5]
    return ConvNextImageProcessorPil(size={"shortest_edge": size}, crop_pct=1.0, image_mean=half, image_std=half)


def _resize(processor: Any, size: int) -> None:
    """Makes the processor give squares of `size`: nothing is cut off the middle of a square image."""
    square = {"height": size, "width": size}
    processor.size = {"shortest_edge": size} if "shortest_edge" in dict(processor.size) else square
    if getattr(processor, "crop_size", None):
        processor.crop_size = square
    if getattr(processor, "crop_pct", None):
        processor.crop_pct = 1.0


def prepare(images: Sequence[Pixels], start: Start) -> torch.Tensor:
    """Resized once, before all steps. Shape: (n, 3, height, width), bytes."""
    import torch
    from PIL import Image

    color = [Image.fromarray(image).convert("RGB") for image in images]
    ready = start.processor(images=color, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    return torch.from_numpy(np.ascontiguousarray(ready, dtype=np.uint8))


def augmentation(recipe: Recipe, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Moves and mirrors each image of a batch by itself; (n, 3, size, size) in [0, 1] to the same."""
    import kornia.augmentation as ka

    steps: list[Any] = []
    if (padding := round(recipe.crop * size)) > 0:
        steps.append(ka.RandomCrop((size, size), padding=padding, cropping_mode="slice"))
    if recipe.flip:
        steps.append(ka.RandomHorizontalFlip(p=0.5))

    def augment(images: torch.Tensor) -> torch.Tensor:
        for step in steps:
            images = step(images)
        return images

    return augment


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate: half a cosine up, half a cosine down to nearly nothing (Smith and Topin 2019)."""
    warm = max(1, round(WARM * steps))
    if step < warm:
        low, along = FIRST, (step + 1) / warm
    else:
        low, along = LAST, 1 - (step + 1 - warm) / max(1, steps - warm)
    return peak * (low + (1 - low) * 0.5 * (1 - math.cos(math.pi * along)))


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Rows of each step: always `size` of them, epoch after epoch in an order that `seed` and the epoch decide."""
    waiting = np.empty(0, dtype=np.int64)
    epoch = 0
    for _ in range(steps):
        while len(waiting) < size:
            waiting = np.concatenate([waiting, np.random.default_rng([seed, epoch]).permutation(count)])
            epoch += 1
        yield waiting[:size]
        waiting = waiting[size:]


def fit(
    start: Start, pixels: torch.Tensor, targets: torch.Tensor, recipe: Recipe, lab: Lab
) -> list[tuple[int, float, float]]:
    """Trains in place; rows of (step, loss, rate), one for each optimizer step.

    Raises:
        RecipeError: The loss is no longer finite.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = start.model.to(device).train()
    if start.frozen:
        model.base_model.eval()  # else batch norm would go on learning the new images
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.decay, fused=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    augment, normalize = augmentation(recipe, pixels.shape[-1]), normalizer(start, device)
    history = []
    for step, rows in enumerate(batches(len(targets), recipe.batch, recipe.steps, lab.seed)):
        rate = one_cycle(step, recipe.steps, recipe.rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images = normalize(augment(pixels[rows].to(device).float() / 255))
        loss = loss_of(model(pixel_values=images).logits, targets[rows].to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if not math.isfinite(value := loss.item()):
            raise RecipeError(f"The loss was {value} at step {step + 1}.", hint="A lower rate may help.")
        history.append((step + 1, value, rate))
        if lab.progress is not None:
            lab.progress(step + 1, recipe.steps)
    assert len(history) == recipe.steps
    model.eval().to("cpu")
    return history


def normalizer(start: Start, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """What the processor does after resizing: [0, 1] to the numbers the model was made for."""
    import torch

    if not start.processor.do_normalize:
        return lambda images: images
    shape = (1, 3, 1, 1)
    mean = torch.tensor(list(start.processor.image_mean), device=device).view(shape)
    deviation = torch.tensor(list(start.processor.image_std), device=device).view(shape)
    return lambda images: (images - mean) / deviation


def save(start: Start, folder: Path) -> None:
    """Writes what transformers loads, without its progress bar: assay draws its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        start.model.save_pretrained(folder)
        start.processor.save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()
