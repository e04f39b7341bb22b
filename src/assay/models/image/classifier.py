"""Any image classifier of transformers as a `Classifier`; also what assay trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, fetch, finite, load_whole, refuse_kind, rows_for, tiles
from assay.models.references import read_json

if TYPE_CHECKING:
    from assay.core.model_kinds import Matrix, Pixels


class HfClassifier:
    """A closed set of labels and their logits.

    The labels are `id2label` of config.json. A checkpoint that was saved without names has LABEL_0, LABEL_1, ...; it
    opens, but nothing can be compared with labels of one's own.
    """

    def __init__(self, model: Any, processor: Any, reference: str) -> None:
        """Wraps a loaded model and its image processor (on Pillow)."""
        self.model = model
        self.processor = processor
        self.reference = reference
        self._rows = rows_for(processor)
        names = model.config.id2label
        self._labels = tuple(str(names[index]) for index in range(len(names)))

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        return self._labels

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, labels)."""
        import numpy as np

        parts = [self._run(batch)[0][:count] for batch, count in tiles(images, self._rows)]
        empty = np.empty((0, len(self._labels)), dtype=np.float32)
        return finite(np.concatenate([empty, *parts]), self.reference)

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """(n, width): what the last linear layer is given.

        Raises:
            ModelError: The network does not end in a linear layer over its labels.
        """
        import numpy as np

        parts = [self._run(batch)[1][:count] for batch, count in tiles(images, self._rows)]
        empty = np.empty((0, self._last().in_features), dtype=np.float32)
        return finite(np.concatenate([empty, *parts]), self.reference)

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
        """The layer that gives the logits."""
        import torch

        linear = [module for module in self.model.modules() if isinstance(module, torch.nn.Linear)]
        if not linear or linear[-1].out_features != len(self._labels):
            kind = type(self.model).__name__
            raise ModelError(f"Model {self.reference!r} is a {kind} that does not end in a linear layer.")
        return linear[-1]

    def _run(self, images: Sequence[Pixels]) -> tuple[Matrix, Matrix]:
        """Logits, and what the last layer was given."""
        import torch
        from PIL import Image

        # RGB and bytes always: the processor fails on grey images, and divides floats in [0, 1] by 255 once more.
        inputs = [Image.fromarray(image).convert("RGB") for image in images]
        pixels = self.processor(images=inputs, return_tensors="pt")["pixel_values"]
        given: list[Any] = []
        linear = [module for module in self.model.modules() if isinstance(module, torch.nn.Linear)]
        # Whatever the family: ResNets, ViTs and ConvNeXts name their parts differently and all end in a linear layer.
        hook = linear[-1].register_forward_pre_hook(lambda _, args: given.append(args[0])) if linear else None
        try:
            with torch.inference_mode():
                logits = self.model(pixel_values=pixels.to(self.model.device, self.model.dtype)).logits
        finally:
            if hook is not None:
                hook.remove()
        features = given[-1].flatten(1) if given else logits
        return logits.float().cpu().numpy(), features.float().cpu().numpy()


def open_classifier(request: ModelRequest) -> HfClassifier:
    """Loads a classifier and its image processor.

    Raises:
        ModelError: There is no image classifier, or it cannot be loaded.
    """
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None:
        config = checkpoint.folder / "config.json"
        names = (read_json(config).get("architectures") or []) if config.is_file() else ["a pipeline"]
        if not all(str(name).endswith("ForImageClassification") for name in names):
            raise refuse_kind(checkpoint, "an image classifier (a ...ForImageClassification)")

    def load(local: bool) -> HfClassifier:
        model = load_whole(AutoModelForImageClassification, checkpoint, placement, local=local)
        processor = AutoImageProcessor.from_pretrained(checkpoint.location, local_files_only=local, backend="pil")
        return HfClassifier(model, processor, checkpoint.reference)

    return fetch(checkpoint, load)
