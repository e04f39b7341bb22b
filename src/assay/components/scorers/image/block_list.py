"""Match with a list of blocked images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.components.scorers.contamination.evaluation_items import cached
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.model_kinds import Pixels
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.images.codec import decode, find_images
from assay.images.hashes import BITS, distance, perceptual_hash, read_hashes


@dataclass(frozen=True)
class BlockList:
    """Hamming distance in bits between the perceptual hash of an image and the nearest one of a list, 0 to 64.

    The list is a file with a pHash of sixteen hexadecimal digits and a description in each line, or a folder of images.
    Up to a distance of `max_distance` the reason names the entry. To drop matches: `{use: Threshold, column: NAME, low:
    9}`. Copies in another size or format match; cropped, rotated and mirrored ones do not, and plain images of
    different objects may match.

    Source: pHash as in PyPI ImageHash; Zauner 2010 for the usual thresholds, such as ten of 64 bits.
    """

    path: str
    max_distance: int = 8
    image: str = "image"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="bits from the nearest blocked image", low=0.0, high=float(BITS))

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("BlockList.path must name a file of hashes or a folder of images, was ''.")
        if not 0 <= self.max_distance <= BITS:
            raise ValueError(f"BlockList.max_distance must be 0 to {BITS}, was {self.max_distance}.")

    def listing(self) -> str:
        """Digest of the list."""
        files = _files(Path(self.path))
        rows = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Return outcomes; an image that cannot be read is unscored.

        Raises:
            SourceError: There is no such list, or it cannot be read.
        """
        blocked = cached(self, self.listing(), lambda: _read_list(Path(self.path)))
        return [self._outcome(image, blocked) for image in lab.readable(samples, self.image)]

    def _outcome(self, image: Pixels | Unscored, blocked: Sequence[tuple[int, str]]) -> Outcome:
        if isinstance(image, Unscored):
            return image
        image_hash = perceptual_hash(image)
        bits, entry = min((distance(image_hash, other), entry) for other, entry in blocked)
        return Score(float(bits), f"like {entry}" if bits <= self.max_distance else "", {"hashes": float(len(blocked))})


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return find_images(path)
    if not path.is_file():
        raise SourceError(
            f"There is no list {str(path)!r}: expected a file of hashes or a folder of images.", path=str(path)
        )
    return [path]


def _read_list(path: Path) -> list[tuple[int, str]]:
    files = _files(path)
    if not path.is_dir():
        try:
            return read_hashes(path.read_text(encoding="utf-8-sig"), path.name)
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} is not a list of hashes: {error}.", path=str(path)) from error
    if not files:
        raise SourceError(f"No images in {str(path)!r}.", path=str(path))
    hashes = []
    for file in files:
        try:
            hashes.append((perceptual_hash(decode(file.read_bytes())), file.name))
        except ValueError as error:
            raise SourceError(f"{file} does not decode as an image: {error}.", path=str(file)) from error
    return hashes
