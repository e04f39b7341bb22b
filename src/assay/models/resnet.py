"""Any image classifier of transformers as a `Classifier`; also what assay trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.models.loading import Placement, fetch, finite, load_whole, refuse_kind, rows_for, tiles
from assay.models.references import Checkpoint, read_json

if TYPE_CHECKING:
    from assay.core.kinds import Matrix, Pixels


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

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, labels)."""
        import numpy as np

        parts = [self._logits(batch)[:count] for batch, count in tiles(images, self._rows)]
        empty = np.empty((0, len(self._labels)), dtype=np.float32)
        return finite(np.concatenate([empty, *parts]), self.reference)

    def _logits(self, images: Sequence[Pixels]) -> Matrix:
        import torch
        from PIL import Image

        # RGB and bytes always: the processor fails on grey pictures, and divides floats in [0, 1] by 255 once more.
        pictures = [Image.fromarray(image).convert("RGB") for image in images]
        pixels = self.processor(images=pictures, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            logits = self.model(pixel_values=pixels.to(self.model.device, self.model.dtype)).logits
        values: Matrix = logits.float().cpu().numpy()
        return values


def open_classifier(checkpoint: Checkpoint, placement: Placement) -> HfClassifier:
    """Loads a classifier and its image processor.

    Raises:
        ModelError: There is no image classifier, or it cannot be loaded.
    """
    from transformers import AutoImageProcessor, AutoModelForImageClassification

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
