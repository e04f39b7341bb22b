"""Cache of open models: the `Models` of a lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from assay.models.loading import Device
from assay.models.registry import ModelKind, select_backend

if TYPE_CHECKING:
    from assay.core.model_kinds import (
        AnswerRewardModel,
        Classifier,
        Embedder,
        ImageModel,
        LikelihoodModel,
        SteppedModel,
        TextClassificationModel,
        TextModel,
        TwinEncoder,
    )
    from assay.models.loading import ModelRequest
    from assay.models.references import Checkpoint
    from assay.models.registry import Backend
    from assay.models.remote.budget import Budget

CACHE_SIZES: Mapping[ModelKind, int] = {
    "image-generator": 2,
    "image-classifier": 4,
    "twin-encoder": 2,
    "text-model": 2,
    "token-model": 2,
    "embedder": 2,
    "text-classifier": 4,
    "reward-model": 2,
}
"""Most open models of each kind; the least recently used one is dropped. Few, because a proof opens many trained
classifiers one after the other."""


@dataclass(frozen=True)
class OpenModels:
    """Open each model once in a process; a checkpoint whose files have changed is opened again.

    Picklable. The cache belongs to the process: a worker that unpickles this object uses what is already open there.
    """

    device: Device = field(default_factory=Device)
    budget: Budget | None = None
    """Limit, or only record, of what requests to paid services cost."""

    def image_model(self, reference: str) -> ImageModel:
        """Open a text-to-image model.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("ImageModel", self._open("image-generator", reference))

    def twin_encoder(self, reference: str) -> TwinEncoder:
        """Open a text-image encoder such as CLIP.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("TwinEncoder", self._open("twin-encoder", reference))

    def text_model(self, reference: str) -> TextModel:
        """Open a language model with the backend that the reference names, else with the best one installed.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("TextModel", self._open("text-model", reference))

    def stepped_model(self, reference: str) -> SteppedModel:
        """Open a language model with transformers, which gives access to its logits.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("SteppedModel", self._open("token-model", reference))

    def likelihood_model(self, reference: str) -> LikelihoodModel:
        """Open a language model with transformers, which computes log-likelihoods of given continuations.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("LikelihoodModel", self._open("token-model", reference))

    def reward_model(self, reference: str) -> AnswerRewardModel:
        """Open a reward model: a sequence classifier with one output.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("AnswerRewardModel", self._open("reward-model", reference))

    def embedder(self, reference: str) -> Embedder:
        """Open a sentence encoder with the backend that the reference names, else with the best one installed.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("Embedder", self._open("embedder", reference))

    def classifier(self, reference: str) -> Classifier:
        """Open an image classifier.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("Classifier", self._open("image-classifier", reference))

    def text_classifier(self, reference: str) -> TextClassificationModel:
        """Open a text classifier: a head that assay trained, or a sequence classifier of transformers.

        Raises:
            ModelError: There is no such model, or it cannot be loaded.
        """
        return cast("TextClassificationModel", self._open("text-classifier", reference))

    def _open(self, kind: ModelKind, reference: str) -> Any:
        backend, request = select_backend(kind, reference, self.device, self.budget)
        return _CACHES[kind](backend, request, request.checkpoint if backend.checkpoint else None)


def _open_model(backend: Backend, request: ModelRequest, checkpoint: Checkpoint | None) -> Any:
    """`checkpoint` is part of the cache's key: it changes with the files."""
    return backend.open_model(request)


_CACHES = {kind: lru_cache(maxsize=size)(_open_model) for kind, size in CACHE_SIZES.items()}


def release_generators() -> None:
    """Drop the cached models that generate images and text, which are the largest; they are opened again on demand."""
    for kind in ("image-generator", "text-model", "token-model"):
        _CACHES[kind].cache_clear()
