"""Text classifiers and reward models: heads on sentence encoders, and sequence classifiers of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, check_finite, fetch, load_pretrained, wrong_kind_error
from assay.models.references import kind_of, read_json
from assay.models.text.requests import context_overflow, encode_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.completions import Message, NotCompleted
    from assay.core.model_kinds import Embedder, Matrix, TextClassificationModel

HEAD = "head.safetensors"
HEAD_KIND = "assay-text-head"
"""Value of `kind` in the config.json of a head."""
BATCH_SIZE = 32


class HeadOnSentences:
    """Linear layer on sentence embeddings, as trained by `TextClassifier`."""

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

        # One row at a time: a product of many rows may differ in the last bit.
        rows = [self._weight @ row + self._bias for row in self.encoder.embed(texts)] if len(texts) else []
        logits: Matrix = np.asarray(rows, dtype=np.float32).reshape(-1, len(self._labels))
        return check_finite(logits, self.reference)


class HfTextClassifier:
    """Text classifier of transformers; its labels are `id2label` of config.json. Long texts are truncated."""

    def __init__(self, model: Any, tokenizer: Any, reference: str) -> None:
        """Wrap a loaded model and its tokenizer."""
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
        return self._batched_logits([(text,) for text in texts])

    def pair_logits(self, pairs: Sequence[tuple[str, str]]) -> Matrix:
        """(n, labels), of (premise, hypothesis)."""
        return self._batched_logits(pairs)

    def _batched_logits(self, rows: Sequence[tuple[str, ...]]) -> Matrix:
        import numpy as np

        # By length, to save padding.
        order = sorted(range(len(rows)), key=lambda nth: sum(map(len, rows[nth])))
        results = np.empty((len(rows), len(self._labels)), dtype=np.float32)
        for start in range(0, len(order), BATCH_SIZE):
            part = order[start : start + BATCH_SIZE]
            results[part] = self._run([rows[nth] for nth in part])
        return check_finite(results, self.reference)

    def _run(self, rows: list[tuple[str, ...]]) -> Matrix:
        import torch

        columns = [list(column) for column in zip(*rows, strict=True)]
        inputs = self.tokenizer(*columns, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
        with torch.inference_mode():
            results: Matrix = self.model(**inputs.to(self.model.device)).logits.float().cpu().numpy()
        return results


def open_text_classifier(
    request: ModelRequest, embedder: Callable[[str], Embedder] | None = None
) -> TextClassificationModel:
    """Load a head trained by assay with its encoder, or a sequence classifier of transformers.

    Args:
        request: The model.
        embedder: Opens the encoder of a head; None for `OpenModels.embedder` on the same device.

    Raises:
        ModelError: The model is not a text classifier, or cannot be loaded.
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
            raise wrong_kind_error(checkpoint, "a text classifier (a ...ForSequenceClassification)")

    def load(local: bool) -> HfTextClassifier:
        model = load_pretrained(AutoModelForSequenceClassification, checkpoint, placement, local=local)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
        return HfTextClassifier(model, tokenizer, checkpoint.reference)

    return fetch(checkpoint, load)


def save_head(folder: Path, encoder: str, labels: Sequence[str], weight: Matrix, bias: Matrix) -> None:
    """Write config.json and head.safetensors, which `open_text_classifier` loads."""
    import json

    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"kind": HEAD_KIND, "encoder": encoder, "labels": list(labels)}
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
        raise ModelError(f"The text classifier {reference!r} is damaged: {type(error).__name__}: {error}") from error
    if len(weight) != len(labels) or len(bias) != len(labels):
        raise ModelError(f"Model {reference!r} has {len(labels)} labels and a head of {len(weight)}.")
    return HeadOnSentences(embedder(encoder), labels, weight, bias, reference)


REWARD_MODEL_SUFFIX = "ForSequenceClassification"
REWARD_BIAS = "reward_bias"
"""Key of config.json: a number that is subtracted from every reward, as most models' heads have no bias."""


class HfRewardModel:
    """Sequence classifier with one output, applied to the last token of a conversation.

    Conversations are processed one at a time, so that a reward does not depend on the batch. A `reward_bias` in the
    configuration, which assay's trainer writes, is subtracted.

    Source: Ouyang et al. 2022, "Training language models to follow instructions", section 3.5, and TRL's RewardTrainer.
    """

    def __init__(self, model: Any, tokenizer: Any, reference: str) -> None:
        """Wrap a loaded model and its tokenizer."""
        self.model = model
        self.tokenizer = tokenizer
        self.reference = reference
        if model.config.pad_token_id is None:  # required by transformers, although rows are not padded
            model.config.pad_token_id = tokenizer.pad_token_id

    def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
        """One reward for each conversation, in order; a reason if it exceeds the context.

        Raises:
            ModelError: The chat template rejects a conversation, or a reward is not finite.
        """
        return [self._reward(turns) for turns in conversations]

    def reward(self, ids: Sequence[int]) -> float:
        """Reward of an encoded conversation that fits the context.

        Raises:
            ModelError: The reward is not finite.
        """
        import torch

        with torch.inference_mode():
            logits = self.model(input_ids=torch.tensor([list(ids)], device=self.model.device)).logits
        reward = float(check_finite(logits.float().cpu().numpy(), self.reference)[0, 0])
        return reward - float(getattr(self.model.config, REWARD_BIAS, 0.0))

    def _reward(self, turns: tuple[Message, ...]) -> float | NotCompleted:
        assert turns, "a conversation must not be empty"
        assert turns[-1].role == "assistant", "the last message must be the answer"
        ids, _ = encode_answer(self.tokenizer, turns[:-1], turns[-1].text, self.reference)
        if (
            long := context_overflow(len(ids), 0, getattr(self.model.config, "max_position_embeddings", None))
        ) is not None:
            return long
        return self.reward(ids)


def open_reward_model(request: ModelRequest) -> HfRewardModel:
    """Load a reward model and its tokenizer.

    Raises:
        ModelError: The model is not a sequence classifier with one output, or cannot be loaded.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None and not kind_of(checkpoint.folder).endswith(REWARD_MODEL_SUFFIX):
        raise wrong_kind_error(checkpoint, "a reward model (a ...ForSequenceClassification)")
    model = fetch(
        checkpoint,
        lambda local: load_pretrained(AutoModelForSequenceClassification, checkpoint, placement, local=local),
    )
    if model.config.num_labels != 1:
        raise ModelError(
            f"Model {checkpoint.reference!r} has {model.config.num_labels} outputs; a reward model has one."
        )
    tokenizer = fetch(
        checkpoint, lambda local: AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
    )
    return HfRewardModel(model, tokenizer, checkpoint.reference)
