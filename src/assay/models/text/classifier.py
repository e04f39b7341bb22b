"""Texts to a closed set of labels: a linear head on a sentence encoder, or any text classifier of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, fetch, finite, load_whole, refuse_kind
from assay.models.references import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.model_kinds import Embedder, Matrix, TextClassificationModel

HEAD = "head.safetensors"
KIND = "assay-text-head"
"""What config.json calls a head that assay trained."""
ROWS = 32
"""Texts in a network call, those of like length together."""


class HeadOnSentences:
    """A linear layer over a sentence encoder's embeddings: what `TextClassificationModel` trains."""

    def __init__(self, encoder: Embedder, labels: Sequence[str], weight: Matrix, bias: Matrix, reference: str) -> None:
        """Weight (labels, dimensions) and bias (labels,)."""
        self.encoder = encoder
        self.reference = reference
        self._labels, self._weight, self._bias = tuple(labels), weight, bias

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        return self._labels

    def logits(self, texts: Sequence[str]) -> Matrix:
        """(n, labels)."""
        import numpy as np

        # A row at a time: a product of many rows may differ in the last bit from that of one.
        rows = [self._weight @ row + self._bias for row in self.encoder.embed(texts)] if len(texts) else []
        found: Matrix = np.asarray(rows, dtype=np.float32).reshape(-1, len(self._labels))
        return finite(found, self.reference)


class HfTextClassifier:
    """A text classifier of transformers; its labels are `id2label` of config.json. Long texts are cut."""

    def __init__(self, model: Any, tokenizer: Any, reference: str) -> None:
        """Wraps a loaded model and its tokenizer."""
        self.model = model
        self.tokenizer = tokenizer
        self.reference = reference
        names = model.config.id2label
        self._labels = tuple(str(names[index]) for index in range(len(names)))
        self._longest = int(getattr(model.config, "max_position_embeddings", 512))

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        return self._labels

    def logits(self, texts: Sequence[str]) -> Matrix:
        """(n, labels)."""
        return self._in_parts([(text,) for text in texts])

    def pair_logits(self, pairs: Sequence[tuple[str, str]]) -> Matrix:
        """(n, labels), of (premise, hypothesis)."""
        return self._in_parts(pairs)

    def _in_parts(self, rows: Sequence[tuple[str, ...]]) -> Matrix:
        import numpy as np

        order = sorted(range(len(rows)), key=lambda nth: sum(map(len, rows[nth])))
        found = np.empty((len(rows), len(self._labels)), dtype=np.float32)
        for start in range(0, len(order), ROWS):
            part = order[start : start + ROWS]
            found[part] = self._run([rows[nth] for nth in part])
        return finite(found, self.reference)

    def _run(self, rows: list[tuple[str, ...]]) -> Matrix:
        import torch

        columns = [list(column) for column in zip(*rows, strict=True)]
        inputs = self.tokenizer(*columns, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
        with torch.inference_mode():
            found: Matrix = self.model(**inputs.to(self.model.device)).logits.float().cpu().numpy()
        return found


def open_text_classifier(
    request: ModelRequest, embedder: Callable[[str], Embedder] | None = None
) -> TextClassificationModel:
    """Load a head that assay trained, with the encoder it was trained on, or a sequence classifier of transformers.

    Args:
        request: The model.
        embedder: Opens the encoder of a head; `OpenModels.embedder` on the same device where None.

    Raises:
        ModelError: There is no text classifier, or it cannot be loaded.
    """
    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None and (checkpoint.folder / HEAD).is_file():
        from assay.models.open_models import OpenModels

        embedder = embedder or OpenModels(request.device).embedder
        return _open_head(checkpoint.folder, checkpoint.reference, embedder)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if checkpoint.folder is not None:
        config = checkpoint.folder / "config.json"
        names = (read_json(config).get("architectures") or ["unnamed"]) if config.is_file() else ["unnamed"]
        if not all(str(name).endswith("ForSequenceClassification") for name in names):
            raise refuse_kind(checkpoint, "a text classifier (a ...ForSequenceClassification)")

    def load(local: bool) -> HfTextClassifier:
        model = load_whole(AutoModelForSequenceClassification, checkpoint, placement, local=local)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
        return HfTextClassifier(model, tokenizer, checkpoint.reference)

    return fetch(checkpoint, load)


def save_head(folder: Path, encoder: str, labels: Sequence[str], weight: Matrix, bias: Matrix) -> None:
    """Writes what `open_text_classifier` opens: config.json and head.safetensors."""
    import json

    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"kind": KIND, "encoder": encoder, "labels": list(labels)}
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    save_file({"weight": weight, "bias": bias}, folder / HEAD)


def _open_head(folder: Path, reference: str, embedder: Callable[[str], Embedder]) -> HeadOnSentences:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config = read_json(folder / "config.json")
    try:
        weights = load_file(folder / HEAD)
        labels, encoder = [str(label) for label in config["labels"]], str(config["encoder"])
        weight, bias = weights["weight"], weights["bias"]
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise ModelError(
            f"Model {reference!r} is a damaged text classifier: {type(error).__name__}: {error}"
        ) from error
    if len(weight) != len(labels) or len(bias) != len(labels):
        raise ModelError(f"Model {reference!r} has {len(labels)} labels and a head of {len(weight)}.")
    return HeadOnSentences(embedder(encoder), labels, weight, bias, reference)
