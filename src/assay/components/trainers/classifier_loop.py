"""Training loop of `ImageClassifier`: model, image preprocessing, augmentation, schedule, steps."""

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

WARMUP = 0.25
"""Fraction of the steps in which the learning rate rises."""
FIRST, LAST = 0.04, 1e-4
"""Fraction of the peak learning rate at the start and at the end of the cycle."""
RANDOM_SIZE = 32
"""Image size in pixels for a model with random weights."""


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of a training; fields as of `ImageClassifier`."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    crop: float
    flip: bool


@dataclass(frozen=True)
class ImageNetwork:
    """A model and its image processor."""

    model: Any
    processor: Any
    frozen: bool
    """Whether only the head is trained."""


def load_network(reference: str, labels: Sequence[str], size: int | None, *, freeze: bool) -> ImageNetwork:
    """Load a checkpoint with a new head, or make a random ResNet-18; uses torch's global random state.

    Raises:
        ModelError: `reference` is not an image classifier of color images that transformers can load.
    """
    names: dict[str, Any] = {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    if reference == "random":
        return ImageNetwork(_resnet18(names), _plain_processor(size or RANDOM_SIZE), frozen=False)
    network = _checkpoint(reference, names)
    body = set(network.model.base_model.modules())
    for module in network.model.modules():
        # A head of the same size would keep its old weights; the new one must depend on our seed.
        if module not in body and hasattr(module, "reset_parameters"):
            module.reset_parameters()
    if freeze:
        network.model.base_model.requires_grad_(False)
    if size is not None:
        _resize(network.processor, size)
    return replace(network, frozen=freeze)


def _checkpoint(reference: str, names: dict[str, Any]) -> ImageNetwork:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    checkpoint = locate(reference)

    def load(local: bool) -> ImageNetwork:
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
        return ImageNetwork(model.float(), processor, frozen=False)

    network = fetch(checkpoint, load)
    if (channels := getattr(network.model.config, "num_channels", 3)) != 3:
        raise ModelError(f"Model {reference!r} takes images with {channels} channels, but 3 are needed.")
    return network


def _resnet18(names: dict[str, Any]) -> Any:
    """ResNet-18 with 11.2 M parameters (He et al. 2016, table 1)."""
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
    """Set the output size of the processor to squares of `size`, without cropping square images."""
    square = {"height": size, "width": size}
    processor.size = {"shortest_edge": size} if "shortest_edge" in dict(processor.size) else square
    if getattr(processor, "crop_size", None):
        processor.crop_size = square
    if getattr(processor, "crop_pct", None):
        processor.crop_pct = 1.0


def preprocess(images: Sequence[Pixels], network: ImageNetwork) -> torch.Tensor:
    """Resize images once, before all steps. Shape: (n, 3, height, width), uint8."""
    import torch
    from PIL import Image

    color = [Image.fromarray(image).convert("RGB") for image in images]
    resized = network.processor(images=color, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    return torch.from_numpy(np.ascontiguousarray(resized, dtype=np.uint8))


def augmentation(settings: Hyperparameters, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Random crop and flip per image; (n, 3, size, size) in [0, 1] to the same."""
    import kornia.augmentation as ka

    steps: list[Any] = []
    if (padding := round(settings.crop * size)) > 0:
        steps.append(ka.RandomCrop((size, size), padding=padding, cropping_mode="slice"))
    if settings.flip:
        steps.append(ka.RandomHorizontalFlip(p=0.5))

    def augment(images: torch.Tensor) -> torch.Tensor:
        for step in steps:
            images = step(images)
        return images

    return augment


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of the one-cycle schedule: cosine warmup, cosine decay (Smith and Topin 2019)."""
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        low, progress = FIRST, (step + 1) / warmup
    else:
        low, progress = LAST, 1 - (step + 1 - warmup) / max(1, steps - warmup)
    return peak * (low + (1 - low) * 0.5 * (1 - math.cos(math.pi * progress)))


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Row indices of each step: always `size`, epoch after epoch, each in an order given by `seed` and the epoch."""
    remaining = np.empty(0, dtype=np.int64)
    epoch = 0
    for _ in range(steps):
        while len(remaining) < size:
            remaining = np.concatenate([remaining, np.random.default_rng([seed, epoch]).permutation(count)])
            epoch += 1
        yield remaining[:size]
        remaining = remaining[size:]


def fit(
    network: ImageNetwork, pixels: torch.Tensor, targets: torch.Tensor, settings: Hyperparameters, lab: Lab
) -> list[tuple[int, float, float]]:
    """Train the model in place; rows of (step, loss, learning rate).

    Raises:
        RecipeError: The loss is not finite.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = network.model.to(device).train()
    if network.frozen:
        model.base_model.eval()  # or batch norm would update its statistics
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    augment, normalize = augmentation(settings, pixels.shape[-1]), normalizer(network, device)
    history = []
    for step, rows in enumerate(batches(len(targets), settings.batch_size, settings.steps, lab.seed)):
        rate = one_cycle(step, settings.steps, settings.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images = normalize(augment(pixels[rows].to(device).float() / 255))
        loss = loss_of(model(pixel_values=images).logits, targets[rows].to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if not math.isfinite(value := loss.item()):
            hint = "A lower learning rate may help."
            raise RecipeError(f"The loss was {value} at step {step + 1}.", hint=hint, step=step + 1, loss=value)
        history.append((step + 1, value, rate))
        if lab.progress is not None:
            lab.progress(step + 1, settings.steps)
    assert len(history) == settings.steps
    model.eval().to("cpu")
    return history


def normalizer(network: ImageNetwork, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """The processor's normalization of images in [0, 1]."""
    import torch

    if not network.processor.do_normalize:
        return lambda images: images
    shape = (1, 3, 1, 1)
    mean = torch.tensor(list(network.processor.image_mean), device=device).view(shape)
    deviation = torch.tensor(list(network.processor.image_std), device=device).view(shape)
    return lambda images: (images - mean) / deviation


def save_network(network: ImageNetwork, folder: Path) -> None:
    """Save model and processor, without the progress bar of transformers."""
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network.model.save_pretrained(folder)
        network.processor.save_pretrained(folder)
    finally:
        if enabled:
            logging.enable_progress_bar()
