"""Images in folders named after their labels, as in torchvision's ImageFolder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.model_kinds import Pixels
from assay.core.sample import Sample
from assay.images.codec import IMAGE_SUFFIXES, decode


@dataclass(frozen=True)
class ImageFolder:
    """Read `path`/LABEL/*.png, .jpg and so on, in order of label and file name; `limit` is for each label."""

    path: str
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("ImageFolder.path must name a folder, was ''.")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"ImageFolder.limit must be at least 1, was {self.limit}.")

    def listing(self) -> str:
        """Digest of the names, sizes and modification times of the files."""
        root = Path(self.path)
        rows = [
            (f"{folder.name}/{file.name}", (status := file.stat()).st_size, status.st_mtime_ns)
            for folder in (sorted(root.iterdir()) if root.is_dir() else [])
            if folder.is_dir()
            for file in self._images(folder)
        ]
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    def read(self, lab: Lab) -> Sequence[Sample]:
        root = Path(self.path)
        if not root.is_dir():
            hint = "ImageFolder reads PATH/LABEL/*.png."
            raise SourceError(f"There is no folder {self.path!r}.", hint=hint, path=self.path)
        samples = [
            Sample({"label": folder.name, "image": lab.images.put(_load(file)), "origin": f"{folder.name}/{file.name}"})
            for folder in sorted(root.iterdir())
            if folder.is_dir()
            for file in self._images(folder)
        ]
        if not samples:
            hint = "ImageFolder reads PATH/LABEL/*.png."
            raise SourceError(f"No images in {self.path!r}.", hint=hint, path=self.path, images=0)
        return samples

    def _images(self, folder: Path) -> list[Path]:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)[: self.limit]


def _load(file: Path) -> Pixels:
    try:
        return decode(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise SourceError(f"{file} does not decode as an image: {problem}", path=str(file)) from problem
