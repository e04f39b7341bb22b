"""Opens models by reference: the `Models` of a lab."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from assay.models.embedded.packaged import OPEN_NSFW, place_of
from assay.models.embedding.sentences import SentenceEncoder, open_sentences
from assay.models.image.classifier import HfClassifier, open_classifier
from assay.models.image.clip import Clip, open_clip
from assay.models.image.diffusion import Diffusion, open_diffusion
from assay.models.image.open_nsfw import OpenNsfw
from assay.models.loading import Device, placed
from assay.models.references import EMBEDDED, Checkpoint, locate
from assay.models.remote.services import is_remote
from assay.models.text.backends import named_backend, open_language, open_stepped
from assay.models.text.classifier import open_text_classifier
from assay.models.text.reward_model import HfRewardModel, open_reward_model

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.model_kinds import (
        Classifier,
        Embedder,
        ImageModel,
        LikelihoodModel,
        RewardModel,
        SteppedModel,
        TextClassifier,
        TextModel,
        TwinEncoder,
    )
    from assay.models.remote.budget import Budget
    from assay.models.text.transformers_model import HfTextModel


@dataclass(frozen=True)
class OpenModels:
    """Opens each model once in a process, wherever it was asked for; a folder that has changed is opened again.

    A plain value: it pickles, and a worker that unpickles it finds what its own process has opened.
    """

    device: Device = field(default_factory=Device)
    budget: Budget | None = None
    """Of everything that is asked over HTTP: what it may cost, or only what it did."""

    def image_model(self, reference: str) -> ImageModel:
        """A diffusers text-to-image pipeline.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _diffusion(locate(reference), self.device)

    def twin_encoder(self, reference: str) -> TwinEncoder:
        """A CLIP model.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _clip(locate(reference), self.device)

    def text_model(self, reference: str) -> TextModel:
        """A language model, by the backend that the reference names, or the best one that is here.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _text(reference, self.device, self.budget if is_remote(reference) else None)

    def stepped_model(self, reference: str) -> SteppedModel:
        """A language model of transformers, which shows its logits, whatever backend would answer otherwise.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _stepped(reference, self.device)

    def likelihood_model(self, reference: str) -> LikelihoodModel:
        """A language model of transformers, which says how probable given words are.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _stepped(reference, self.device)

    def reward_model(self, reference: str) -> RewardModel:
        """A language model with a head of one number.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _rewards(locate(reference), self.device)

    def embedder(self, reference: str) -> Embedder:
        """A sentence encoder, by the backend that the reference names, or the best one that is here.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        backend, named = named_backend(reference)
        return _sentences(locate(named), self.device, backend)

    def classifier(self, reference: str) -> Classifier:
        """An image classifier.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        if reference == EMBEDDED + OPEN_NSFW:
            return _open_nsfw(place_of(OPEN_NSFW))
        return _classifier(locate(reference), self.device)

    def text_classifier(self, reference: str) -> TextClassifier:
        """A classifier of texts: one that assay trained, or one of transformers.

        Raises:
            ModelError: There is none, or it cannot be loaded.
        """
        return _text_classifier(locate(reference), self)


# The caches belong to the process, not to an OpenModels: an engine may unpickle a new one for every shard. They are
# short, because a proof opens many trained classifiers one after the other.
@lru_cache(maxsize=2)
def _diffusion(checkpoint: Checkpoint, device: Device) -> Diffusion:
    return open_diffusion(checkpoint, device, placed(device))


@lru_cache(maxsize=2)
def _clip(checkpoint: Checkpoint, device: Device) -> Clip:
    return open_clip(checkpoint, placed(device))


@lru_cache(maxsize=2)
def _text(reference: str, device: Device, budget: Budget | None) -> TextModel:
    return open_language(reference, device, budget)


@lru_cache(maxsize=2)
def _stepped(reference: str, device: Device) -> HfTextModel:
    return open_stepped(reference, device)


@lru_cache(maxsize=2)
def _rewards(checkpoint: Checkpoint, device: Device) -> HfRewardModel:
    return open_reward_model(checkpoint, placed(device))


@lru_cache(maxsize=2)
def _sentences(checkpoint: Checkpoint, device: Device, backend: str | None) -> SentenceEncoder:
    return open_sentences(checkpoint, device, backend)


@lru_cache(maxsize=4)
def _classifier(checkpoint: Checkpoint, device: Device) -> HfClassifier:
    return open_classifier(checkpoint, placed(device))


@lru_cache(maxsize=1)
def _open_nsfw(file: Path) -> OpenNsfw:
    return OpenNsfw(file, EMBEDDED + OPEN_NSFW)


@lru_cache(maxsize=4)
def _text_classifier(checkpoint: Checkpoint, models: OpenModels) -> TextClassifier:
    return open_text_classifier(checkpoint, placed(models.device), models.embedder)


def let_go() -> None:
    """Forgets the models that draw and write, which are the largest; who holds one keeps it, and any is opened anew."""
    for cache in (_diffusion, _text, _stepped):
        cache.cache_clear()
