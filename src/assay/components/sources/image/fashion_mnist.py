"""Fashion-MNIST: 70,000 real photographs of clothes, 28 x 28 grey, ten classes (Xiao et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from assay.components.sources.image.fashion_files import Split, find
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample

LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""In the order of the data set's class indices; the words the embedded models know."""

PARTS = {"train": slice(0, 50_000), "validation": slice(50_000, 60_000), "test": slice(0, 10_000)}
"""Of the file it lies in: the data set has no validation split, so it is the end of the training file."""


def arrays(split: Split, folder: Path | None = None) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pixels (n, 28, 28) and class indices (n,) of the 60,000 "train" or the 10,000 "test" photographs.

    Raises:
        SourceError: The data cannot be had, or its digest is wrong.
    """
    images, labels = find(split, folder)
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


@dataclass(frozen=True)
class FashionMNIST:
    """The first `per_label` photographs of each class, or all, in the order of the file."""

    split: Literal["train", "validation", "test"] = "test"
    per_label: int | None = None
    folder: str | None = None
    """Where the four idx files lie, packed or not; found or fetched where None."""
    labels: tuple[str, ...] = LABELS
    """Names of the ten classes, in the order of their indices."""
    only: tuple[str, ...] = ()
    """Of `labels`; all where empty. So some classes can be kept from a model and shown to it as strangers."""

    version: ClassVar[int] = 1
    license: ClassVar[str] = "mit"
    """As its makers say in the README of their repository, zalandoresearch/fashion-mnist."""

    def __post_init__(self) -> None:
        if self.split not in PARTS:
            raise ValueError(f"FashionMNIST.split must be one of {', '.join(PARTS)}, was {self.split!r}.")
        if self.per_label is not None and self.per_label < 1:
            raise ValueError(f"FashionMNIST.per_label must be at least 1, was {self.per_label}.")
        if len(set(self.labels)) != 10 or len(self.labels) != 10:
            raise ValueError(f"FashionMNIST.labels must be ten different names, was {self.labels!r}.")

        for name in self.only:
            if name not in self.labels:
                raise ValueError(f"FashionMNIST.only must name some of its labels, was {self.only!r}.")

    def read(self, lab: Lab) -> Sequence[Sample]:
        pixels, classes = arrays(
            "test" if self.split == "test" else "train", Path(self.folder) if self.folder else None
        )
        pixels, classes = pixels[PARTS[self.split]], classes[PARTS[self.split]]
        return [
            Sample(
                {
                    "label": self.labels[classes[nth]],
                    "image": lab.images.put(pixels[nth]),
                    "origin": f"fashion-mnist/{self.split}/{nth:05d}",
                }
            )
            for nth in self._chosen(classes)
        ]

    def _chosen(self, classes: npt.NDArray[np.int64]) -> list[int]:
        wanted = [nth for nth, name in enumerate(self.labels) if not self.only or name in self.only]
        if self.per_label is None:
            return [int(row) for row in np.flatnonzero(np.isin(classes, wanted))]
        counts = np.bincount(classes, minlength=10)
        if (least := int(counts[wanted].min())) < self.per_label:
            raise SourceError(f"FashionMNIST {self.split} has {least} photographs of a label, not {self.per_label}.")
        return sorted(int(i) for c in wanted for i in np.flatnonzero(classes == c)[: self.per_label])
