"""The lab: the only door through which a component reaches anything impure."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from assay.core.errors import ContractError, StoreError
from assay.core.model_kinds import (
    Classifier,
    Embedder,
    ImageModel,
    LikelihoodModel,
    Pixels,
    RewardModel,
    TextClassifier,
    TextModel,
    TwinEncoder,
)
from assay.core.sample import Image, Sample
from assay.core.score import Unscored

if TYPE_CHECKING:
    from collections.abc import Callable


class Models(Protocol):
    """Opens models by reference, each once in a process. Picklable: a worker opens its own."""

    def image_model(self, reference: str) -> ImageModel: ...

    def twin_encoder(self, reference: str) -> TwinEncoder: ...

    def classifier(self, reference: str) -> Classifier: ...

    def text_classifier(self, reference: str) -> TextClassifier: ...

    def text_model(self, reference: str) -> TextModel: ...

    def likelihood_model(self, reference: str) -> LikelihoodModel: ...

    def reward_model(self, reference: str) -> RewardModel: ...

    def embedder(self, reference: str) -> Embedder: ...


class Images(Protocol):
    """Pixels by reference. What is `put` lies in the store once the shard is written."""

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        """Decoded pixels, in order.

        Raises:
            StoreError: The bytes are missing or do not decode; it names the image.
        """
        ...

    def put(self, pixels: Pixels) -> Image:
        """Encodes as PNG, keeps, and names it."""
        ...


def seed_for(seed: int, id_: str, purpose: str) -> int:
    """What `Lab.seed_of` gives in a run with this seed for the sample with this id."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{id_}/{purpose}".encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Lab:
    """Models, images, randomness and a folder, for one worker of one stage."""

    seed: int
    models: Models
    images: Images
    folder: Path | None = None
    """Where a trainer leaves its files; None for every other role."""
    made: Sequence[Sample] = ()
    """For a generator that works in rounds: what its earlier rounds made, in order; failures left out."""
    progress: Callable[[int, int], None] | None = None
    """Called as `progress(done, total)` by work that takes long, such as training."""

    def seed_of(self, sample: Sample, purpose: str) -> int:
        """63 bits that depend on the sample and the purpose, never on the order of work."""
        return seed_for(self.seed, sample.id, purpose)

    def rng(self, sample: Sample, purpose: str) -> random.Random:
        """Randomness that depends on the sample and the purpose, never on the order of work."""
        return random.Random(self.seed_of(sample, purpose))

    def pixels(self, samples: Sequence[Sample], field: str = "image") -> Sequence[Pixels]:
        """The decoded image `field` of each sample."""
        return self.images.get([sample.image(field) for sample in samples])

    def readable(self, samples: Sequence[Sample], field: str = "image") -> list[Pixels | Unscored]:
        """The decoded image `field` of each sample, or why there is none: one bad image costs one outcome.

        Raises:
            FieldError: A sample has no image `field`: a mistake in the recipe, not in the data.
        """
        try:
            return list(self.pixels(samples, field))
        except StoreError as problem:
            if len(samples) == 1:
                return [Unscored("failed", str(problem))]
            return [self.readable([sample], field)[0] for sample in samples]

    def workspace(self) -> Path:
        """The folder a trainer may write in."""
        if self.folder is None:
            raise ContractError("This lab has no folder: only trainers are given one.")
        return self.folder
