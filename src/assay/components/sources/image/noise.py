"""Images of uniform noise, as out-of-distribution inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from assay.core.lab import Lab
from assay.core.sample import Sample


@dataclass(frozen=True)
class Noise:
    """`count` grey images of noise, `size` pixels square: every other one even, the rest in soft blotches.

    The nth image depends on `seed` and n alone.
    """

    count: int = 200
    size: int = 28
    seed: int = 0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"Noise.count must be at least 1, was {self.count}.")
        if not 8 <= self.size <= 1024:
            raise ValueError(f"Noise.size must be between 8 and 1024 pixels, was {self.size}.")

    def read(self, lab: Lab) -> Sequence[Sample]:
        from PIL import Image

        samples = []
        for nth in range(self.count):
            rng = np.random.default_rng([self.seed, nth])
            soft = nth % 2 == 1
            side = max(2, self.size // 6) if soft else self.size
            pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
            if soft:
                grown = Image.fromarray(pixels).resize((self.size, self.size), Image.Resampling.BICUBIC)
                pixels = np.asarray(grown)
            fields = {"label": "blotches" if soft else "noise", "origin": f"noise/{self.seed}/{nth:05d}"}
            samples.append(Sample({**fields, "image": lab.images.put(pixels)}))
        return samples
