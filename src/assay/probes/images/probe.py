"""Score the images of a folder outside of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assay.core.effect import Effect
from assay.core.errors import SourceError, StoreError
from assay.core.lab import Lab, Models
from assay.core.model_kinds import Pixels
from assay.core.sample import Image, Sample
from assay.core.score import Outcome, Score
from assay.images.codec import IMAGE_SUFFIXES, decode, find_images
from assay.stats.inference.intervals import wilson

BATCH = 16
"""Images per batch."""


class ImageScorer(Protocol):
    """Scorer of images."""

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """One outcome per sample."""
        ...


@dataclass(frozen=True)
class FolderImages:
    """Image store that reads files on demand, by the digest of their paths."""

    files: Mapping[str, Path]

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        """Decode images.

        Raises:
            StoreError: A file cannot be read or decoded.
        """
        pixels = []
        for image in images:
            file = self.files[image.digest]
            try:
                pixels.append(decode(file.read_bytes()))
            except (OSError, ValueError) as problem:
                raise StoreError(f"{file.name} does not decode as an image: {problem}") from problem
        return pixels

    def put(self, pixels: Pixels) -> Image:
        """Not supported.

        Raises:
            StoreError: Always.
        """
        raise StoreError("This image store is read-only.")


@dataclass(frozen=True)
class ScoredImage:
    """An image with its outcomes by scorer."""

    file: str
    """Path relative to the folder."""
    outcomes: Mapping[str, Outcome]


def files_of(path: Path) -> list[Path]:
    """All image files below a folder, in order, or a single file.

    Raises:
        SourceError: The folder does not exist, or contains no images.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"The folder or image {str(path)!r} does not exist.")
    files = find_images(path)
    if not files:
        raise SourceError(
            f"No images in {str(path)!r}.", hint=f"Supported extensions: {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return files


def score_images(
    path: Path,
    scorers: Mapping[str, ImageScorer],
    models: Models,
    progress: Callable[[int, int], None] = lambda count, total: None,
) -> list[ScoredImage]:
    """Score every image of `path` with every scorer; undecodable images are unscored.

    Raises:
        SourceError: As `files_of`, or the block list cannot be read.
        ModelError: A model cannot be loaded.
    """
    files = files_of(path)
    by_digest = {hashlib.sha256(str(file).encode("utf-8", "surrogateescape")).hexdigest(): file for file in files}
    lab = Lab(0, models, FolderImages(by_digest))
    samples = [Sample({"image": Image(digest, 1, 1)}) for digest in by_digest]
    scored = []
    for start in range(0, len(samples), BATCH):
        part = samples[start : start + BATCH]
        columns = {name: scorer.score(part, lab) for name, scorer in scorers.items()}
        for nth in range(len(part)):
            file = files[start + nth]
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            scored.append(ScoredImage(name, {column: outcomes[nth] for column, outcomes in columns.items()}))
        progress(len(scored), len(samples))
    return scored


def flagged_rate(images: Sequence[ScoredImage], column: str, flags: Callable[[float], bool]) -> Effect | None:
    """Rate of scored images for which `flags` is true, with Wilson's interval; None if none is scored."""
    values = [outcome.value for image in images if isinstance(outcome := image.outcomes[column], Score)]
    return wilson(sum(map(flags, values)), len(values)) if values else None
