"""Images of a folder looked at by scorers, outside of any run."""

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

PART = 16
"""Images that are looked at between two signs of life."""


class Looker(Protocol):
    """What scores images."""

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """One outcome each."""
        ...


@dataclass(frozen=True)
class FolderImages:
    """Pixels of files by the digest of their paths: nothing is copied, and one is read when it is looked at."""

    files: Mapping[str, Path]

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        """Decoded.

        Raises:
            StoreError: A file cannot be read, or is no image.
        """
        found = []
        for image in images:
            file = self.files[image.digest]
            try:
                found.append(decode(file.read_bytes()))
            except (OSError, ValueError) as problem:
                raise StoreError(f"{file.name} does not decode as an image: {problem}") from problem
        return found

    def put(self, pixels: Pixels) -> Image:
        """Nothing is kept here.

        Raises:
            StoreError: Always.
        """
        raise StoreError("Images of a folder are looked at; none are made.")


@dataclass(frozen=True)
class Looked:
    """An image and what each scorer says of it."""

    file: str
    """Below the folder."""
    outcomes: Mapping[str, Outcome]


def files_of(path: Path) -> list[Path]:
    """All images below a folder, by their names' endings, in order; or the one that is named.

    Raises:
        SourceError: There is no such folder, or no image in it.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"There is no folder or image {str(path)!r}.")
    found = find_images(path)
    if not found:
        raise SourceError(
            f"No images in {str(path)!r}.", hint=f"Files that end in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return found


def look(
    path: Path,
    scorers: Mapping[str, Looker],
    models: Models,
    heard: Callable[[int, int], None] = lambda done, total: None,
) -> list[Looked]:
    """Every image of `path` by every scorer; one that does not decode is unscored by all.

    Raises:
        SourceError: As `files_of`, or a scorer's own list cannot be read.
        ModelError: A model cannot be opened.
    """
    files = files_of(path)
    by_digest = {hashlib.sha256(str(file).encode("utf-8", "surrogateescape")).hexdigest(): file for file in files}
    lab = Lab(0, models, FolderImages(by_digest))
    samples = [Sample({"image": Image(digest, 1, 1)}) for digest in by_digest]
    found = []
    for start in range(0, len(samples), PART):
        part = samples[start : start + PART]
        columns = {name: scorer.score(part, lab) for name, scorer in scorers.items()}
        for nth in range(len(part)):
            file = files[start + nth]
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            found.append(Looked(name, {column: outcomes[nth] for column, outcomes in columns.items()}))
        heard(len(found), len(samples))
    return found


def beyond(found: Sequence[Looked], column: str, out: Callable[[float], bool]) -> Effect | None:
    """The share of images with a score of which `out` is true, with Wilson's interval; None where none has one."""
    values = [one.value for looked in found if isinstance(one := looked.outcomes[column], Score)]
    return wilson(sum(map(out, values)), len(values)) if values else None
