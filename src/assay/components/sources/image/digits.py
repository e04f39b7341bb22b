"""Handwritten digits that come with scikit-learn: strangers to a model of anything else, without a network."""

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
    """The first `per_label` of each of the ten digits, or all 1,797, enlarged to `size`; white on black, grey.

    Source: the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998), 8 x 8 in 17 greys,
    as `sklearn.datasets.load_digits` carries it.
    """

    per_label: int | None = None
    size: int = 28
    """Side in pixels; enlarged with Lanczos' filter."""

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
            raise SourceError("Digits come with scikit-learn.", hint="pip install scikit-learn") from error
        from PIL import Image

        data = load_digits()
        samples, seen = [], [0] * 10
        for nth, (small, digit) in enumerate(zip(data.images, data.target, strict=True)):
            if self.per_label is not None and seen[digit] >= self.per_label:
                continue
            seen[digit] += 1
            image = Image.fromarray(np.round(small / 16 * 255).astype(np.uint8))
            pixels = np.asarray(image.resize((self.size, self.size), Image.Resampling.LANCZOS))
            origin = f"scikit-learn digits/{nth:04d}"
            samples.append(Sample({"label": f"digit {digit}", "image": lab.images.put(pixels), "origin": origin}))
        return samples
