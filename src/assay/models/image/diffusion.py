"""Text-to-image pipelines of diffusers as an `ImageModel`: Stable Diffusion, SDXL, flow matching (SD 3, Flux), ..."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.core.model_kinds import ImageRequest, NotGenerated, Pixels
from assay.models.loading import ModelRequest, fetch, fixed_batches, wrong_kind_error
from assay.models.references import read_json

if TYPE_CHECKING:
    import torch

TILE = 16
"""Maximum number of images in a batch on the CPU: larger batches are a few percent faster and waste more at the end."""
TILE_PIXELS = 2**16
"""Pixels generated at once on the CPU: 16 images of 64 x 64, 4 of 128 x 128, 1 of 256 x 256 and above."""
SETTINGS_FILE = "assay.json"
"""File in a model's folder: `{"crop": n}` cuts n pixels off each side of an image, because pipelines generate multiples
of 8 only. A model trained on 28 x 28 photographs inside 32 x 32 has n = 2."""
FLAT = 1e-3
"""Standard deviation of pixels in [0, 1] below which an image counts as constant."""


@dataclass(frozen=True)
class _Settings:
    """Settings shared by all images of a call of the pipeline."""

    steps: int
    guidance: float
    width: int | None
    height: int | None
    negative: bool


class Diffusion:
    """Generate images with a pipeline.

    Each image has its own random generator, seeded by its request. On the CPU the batch size depends only on the image
    size (see `fixed_batches`). So on one CPU with one number of threads an image depends only on its request, bit for
    bit. On a GPU the noise is the same, but kernels may differ with `image_batch`.
    """

    def __init__(self, pipeline: Any, reference: str, *, image_batch: int | None = None, crop: int = 0) -> None:
        """Wrap a loaded pipeline; `image_batch` None selects the batch size by image size, as on the CPU."""
        self.pipeline = pipeline
        self.reference = reference
        self.image_batch = image_batch
        self.crop = crop
        self._accepted = frozenset(inspect.signature(pipeline.__call__).parameters)

    def generate(self, requests: Sequence[ImageRequest]) -> Sequence[Pixels | NotGenerated]:
        """One image or one reason for each request, in order: (height, width) grey or (height, width, 3), 0 to 255.

        Raises:
            ModelError: The pipeline rejects a request, such as a size that is no multiple of 8.
        """
        groups: dict[_Settings, list[int]] = {}
        for index, request in enumerate(requests):
            settings = _Settings(
                request.steps, request.guidance, request.width, request.height, bool(request.negative_prompt)
            )
            groups.setdefault(settings, []).append(index)
        outputs: dict[int, Pixels | NotGenerated] = {}
        for settings, members in groups.items():
            for batch, count in fixed_batches(members, self._rows(settings)):
                images = self._run(settings, [requests[index] for index in batch])
                outputs.update(zip(batch[:count], images[:count], strict=True))
        return [outputs[index] for index in range(len(requests))]

    def _run(self, settings: _Settings, batch: Sequence[ImageRequest]) -> list[Pixels | NotGenerated]:
        import torch

        arguments = self._arguments(settings, batch)
        try:
            with torch.inference_mode():
                result = self.pipeline(**arguments)
        except ValueError as error:  # raised for invalid arguments, such as a width of 30
            raise ModelError(f"Model {self.reference!r} rejected the request: {error}") from error
        images = result.images.float().cpu()
        height, width = images.shape[-2:]
        images = images[..., self.crop : height - self.crop, self.crop : width - self.crop]
        flagged = getattr(result, "nsfw_content_detected", None) or [False] * len(images)
        return [_image(image, flag) for image, flag in zip(images, flagged, strict=True)]

    def _arguments(self, settings: _Settings, batch: Sequence[ImageRequest]) -> dict[str, Any]:
        import torch

        arguments: dict[str, Any] = {
            "prompt": [request.prompt for request in batch],
            "num_inference_steps": settings.steps,
            "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in batch],
            "output_type": "pt",
        }
        if settings.guidance > 1 or "guidance_scale" in self._accepted:
            arguments["guidance_scale"] = settings.guidance
        if settings.negative:  # only where given: SDXL replaces a missing one by zeros, but not an empty one
            arguments["negative_prompt"] = [request.negative_prompt for request in batch]
        for name, pixels in (("width", settings.width), ("height", settings.height)):
            if pixels is not None:
                arguments[name] = pixels + 2 * self.crop
        unknown = sorted(arguments.keys() - self._accepted)
        if unknown:
            kind = type(self.pipeline).__name__
            raise ModelError(f"Model {self.reference!r} is a {kind}, which takes no {', '.join(unknown)}.")
        return arguments

    def _rows(self, settings: _Settings) -> int:
        if self.image_batch is not None:
            return self.image_batch
        default = _default_side(self.pipeline)
        area = (settings.width or default) * (settings.height or default)
        return max(1, min(TILE, TILE_PIXELS // area))


def open_diffusion(request: ModelRequest) -> Diffusion:
    """Load a pipeline with the scheduler and safety checker of its checkpoint.

    Raises:
        ModelError: There is no pipeline, it cannot be loaded, or it is not a text-to-image pipeline.
    """
    from diffusers import DiffusionPipeline

    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None and not (checkpoint.folder / "model_index.json").is_file():
        raise wrong_kind_error(checkpoint, "a diffusers pipeline (a folder with model_index.json)")
    crop = 0 if checkpoint.folder is None else _crop(checkpoint.folder)

    def load(local: bool) -> Any:
        return DiffusionPipeline.from_pretrained(
            checkpoint.location, dtype=placement.torch_dtype(), use_safetensors=True, local_files_only=local
        )

    pipeline = fetch(checkpoint, load).to(placement.device)
    if not {"prompt", "generator", "output_type"} <= inspect.signature(pipeline.__call__).parameters.keys():
        raise ModelError(
            f"Model {checkpoint.reference!r} is a {type(pipeline).__name__}, not a text-to-image pipeline."
        )
    pipeline.set_progress_bar_config(disable=True)
    image_batch = None if placement.device.startswith("cpu") else request.device.image_batch
    return Diffusion(pipeline, checkpoint.reference, image_batch=image_batch, crop=crop)


def _crop(folder: Path) -> int:
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return 0
    settings: Mapping[str, Any] = read_json(path)
    crop = settings.get("crop", 0)
    if set(settings) - {"crop"} or type(crop) is not int or crop < 0:
        raise ModelError(f'{path} must be {{"crop": pixels}}, was {dict(settings)}.')
    return crop


def _default_side(pipeline: Any) -> int:
    """Default side of the pipeline's images in pixels; 1024 if it is not configured."""
    network = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    size = getattr(getattr(network, "config", None), "sample_size", None)
    if isinstance(size, (list, tuple)):
        size = max(size)
    return int(size * getattr(pipeline, "vae_scale_factor", 8)) if size else 1024


def _image(image: torch.Tensor, flagged: bool) -> Pixels | NotGenerated:
    """(channels, height, width) in [0, 1] to bytes, or the reason why there is no image."""
    if flagged:
        return NotGenerated("safety checker")
    if not bool(image.isfinite().all()):
        return NotGenerated("pixels are not finite")
    if float(image.std()) < FLAT:
        return NotGenerated("black image" if float(image.mean()) < FLAT else "constant image")
    pixels: Pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels[..., 0].copy() if pixels.shape[-1] == 1 else pixels.copy()
