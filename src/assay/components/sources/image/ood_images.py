"""Out-of-distribution images that need no download: scikit-learn's digits, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample


@dataclass(frozen=True)
class Digits:
    """The first `per_label` images of each digit, or all 1,797, enlarged to `size`; white on black, gray.

    Source: the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998), 8 x 8 pixels with 17
    gray levels, from `sklearn.datasets.load_digits`.
    """

    per_label: int | None = None
    size: int = 28
    """Side in pixels; enlarged with a Lanczos filter."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.per_label is not None and self.per_label < 1:
            raise ValueError(f"Digits.per_label must be at least 1, was {self.per_label}.")
        if not 8 <= self.size <= 1024:
            raise ValueError(f"Digits.size must be between 8 and 1024 pixels, was {self.size}.")

    def read(self, lab: Lab) -> Sequence[Sample]:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise SourceError("Digits needs scikit-learn.", hint="pip install scikit-learn") from error
        from PIL import Image

        data = load_digits()
        samples, counts = [], [0] * 10
        for nth, (small, digit) in enumerate(zip(data.images, data.target, strict=True)):
            if self.per_label is not None and counts[digit] >= self.per_label:
                continue
            counts[digit] += 1
            image = Image.fromarray(np.round(small / 16 * 255).astype(np.uint8))
            pixels = np.asarray(image.resize((self.size, self.size), Image.Resampling.LANCZOS))
            origin = f"scikit-learn digits/{nth:04d}"
            samples.append(Sample({"label": f"digit {digit}", "image": lab.images.put(pixels), "origin": origin}))
        return samples


@dataclass(frozen=True)
class Noise:
    """`count` gray images of noise, `size` pixels square: alternately per pixel and low-frequency.

    The nth image depends only on `seed` and n.
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
