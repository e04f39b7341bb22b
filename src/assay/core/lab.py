"""Lab: gives components access to models, images, randomness and a folder."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from assay.core.errors import ContractError, StoreError
from assay.core.model_kinds import (
    AnswerRewardModel,
    Classifier,
    Embedder,
    ImageModel,
    LikelihoodModel,
    Pixels,
    TextClassificationModel,
    TextModel,
    TwinEncoder,
)
from assay.core.sample import Image, Sample
from assay.core.score import Unscored

if TYPE_CHECKING:
    from collections.abc import Callable


class Models(Protocol):
    """Opens models by reference, each once per process; picklable."""

    def image_model(self, reference: str) -> ImageModel: ...

    def twin_encoder(self, reference: str) -> TwinEncoder: ...

    def classifier(self, reference: str) -> Classifier: ...

    def text_classifier(self, reference: str) -> TextClassificationModel: ...

    def text_model(self, reference: str) -> TextModel: ...

    def likelihood_model(self, reference: str) -> LikelihoodModel: ...

    def reward_model(self, reference: str) -> AnswerRewardModel: ...

    def embedder(self, reference: str) -> Embedder: ...


class Images(Protocol):
    """Image store; images added by `put` are stored with the shard."""

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        """Decoded pixels, in order.

        Raises:
            StoreError: The bytes are missing or cannot be decoded; the message names the image.
        """
        ...

    def put(self, pixels: Pixels) -> Image:
        """Encode as PNG, store, and return the reference."""
        ...


def seed_for(seed: int, id_: str, purpose: str) -> int:
    """Seed of `Lab.seed_of` for a run seed and a sample id."""
    return hash_seed(seed, id_, purpose)


def hash_seed(*parts: object) -> int:
    """63 bits of the SHA-256 of `parts`: seeds are hashed and never counted up, so no two streams overlap."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


def request_seed(*parts: object) -> int:
    """Sampling seed of one request to a language model, of 60 bits, as services accept."""
    return int(hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:15], 16)


@dataclass(frozen=True)
class Lab:
    """Models, images, randomness and folder of one worker of one stage."""

    seed: int
    models: Models
    images: Images
    folder: Path | None = None
    """Output folder of a trainer; None for other roles."""
    made: Sequence[Sample] = ()
    """Samples of the earlier rounds of a generator that works in rounds, in order, without failures."""
    progress: Callable[[int, int], None] | None = None
    """Called as `progress(done, total)` by long work such as training."""

    def seed_of(self, sample: Sample, purpose: str) -> int:
        """63-bit seed that depends on the sample and the purpose, not on the order of work."""
        return seed_for(self.seed, sample.id, purpose)

    def rng(self, sample: Sample, purpose: str) -> random.Random:
        """Random generator that depends on the sample and the purpose, not on the order of work."""
        return random.Random(self.seed_of(sample, purpose))

    def pixels(self, samples: Sequence[Sample], field: str = "image") -> Sequence[Pixels]:
        """Decoded image `field` of each sample."""
        return self.images.get([sample.image(field) for sample in samples])

    def readable(self, samples: Sequence[Sample], field: str = "image") -> list[Pixels | Unscored]:
        """Decoded image `field` of each sample, or Unscored if it cannot be read.

        Raises:
            FieldError: A sample has no image `field`.
        """
        try:
            return list(self.pixels(samples, field))
        except StoreError as problem:
            if len(samples) == 1:
                return [Unscored("failed", str(problem))]
            return [self.readable([sample], field)[0] for sample in samples]

    def workspace(self) -> Path:
        """Output folder of a trainer."""
        if self.folder is None:
            raise ContractError("This lab has no folder; only trainers have one.")
        return self.folder
