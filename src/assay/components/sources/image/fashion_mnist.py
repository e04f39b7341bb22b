"""Fashion-MNIST: 70,000 photographs of clothes, 28 x 28 gray, ten classes (Xiao et al. 2017), verified by digest."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from assay.components.sources.image import debian
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.images.codec import decode

LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""In the order of the data set's class indices; the labels of the embedded models."""

PARTS = {"train": slice(0, 50_000), "validation": slice(50_000, 60_000), "test": slice(0, 10_000)}
"""Rows of each split. The data set has no validation split, so it is the end of the training file."""


def arrays(split: Split, folder: Path | None = None) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pixels (n, 28, 28) and class indices (n,) of the 60,000 "train" or the 10,000 "test" photographs.

    Raises:
        SourceError: The data is not available, or its digest is wrong.
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
    """Folder of the four idx files, compressed or not; found or downloaded if None."""
    labels: tuple[str, ...] = LABELS
    """Names of the ten classes, in the order of their indices."""
    only: tuple[str, ...] = ()
    """Subset of `labels`; all if empty. The other classes can serve as out-of-distribution inputs."""

    version: ClassVar[int] = 1
    license: ClassVar[str] = "mit"
    """Source: README of zalandoresearch/fashion-mnist."""

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
            for nth in self._selected(classes)
        ]

    def _selected(self, classes: npt.NDArray[np.int64]) -> list[int]:
        indices = [nth for nth, name in enumerate(self.labels) if not self.only or name in self.only]
        if self.per_label is None:
            return [int(row) for row in np.flatnonzero(np.isin(classes, indices))]
        counts = np.bincount(classes, minlength=10)
        if (least := int(counts[indices].min())) < self.per_label:
            raise SourceError(f"FashionMNIST {self.split} has {least} photographs of a label, not {self.per_label}.")
        return sorted(int(i) for c in indices for i in np.flatnonzero(classes == c)[: self.per_label])


Split = Literal["train", "test"]
Pair = tuple[bytes, bytes]
"""Decompressed bytes of the image file and of the label file, in the idx format."""

NAMES: dict[Split, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
DIGESTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""SHA-256 of the decompressed files, which does not depend on compression or on storage as PNG."""

PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
HUB = "zalando-datasets/fashion_mnist"
REVISION = "531be5e2ccc9dba0c201ad3ae567a4f3d16ecdd2"
HUB_TIMEOUT_S = 5.0


def cache_folder() -> Path:
    """Folder of an unpacked copy, below $XDG_CACHE_HOME or ~/.cache."""
    return debian.cache_folder("fashion-mnist")


def find(split: Split, folder: Path | None) -> Pair:
    """Return the verified bytes of a split from the first location that has them.

    Locations: only `folder` if it is given; else this disk (Debian's package, our cache), the hub, and Debian's package
    downloaded without root. All have the same bytes, so the disk is tried before the network.

    Raises:
        SourceError: A location has other bytes, or no location has the data.
    """
    if folder is not None:
        return _read_split(split, folder)
    tried = []
    for place, fetch in _places(split):
        try:
            return fetch()
        except debian.NotAvailable as reason:
            tried.append(f"{place}: {reason}")
    raise SourceError(
        "Fashion-MNIST is not available: " + "; ".join(tried) + ".",
        hint=f"With a network, run `apt-get update` first; else set `folder` to the folder of {NAMES[split][0]}.gz.",
    )


def _places(split: Split) -> Iterator[tuple[str, Callable[[], Pair]]]:
    for folder in (INSTALLED, cache_folder()):
        if folder.is_dir():
            yield str(folder), lambda folder=folder: _read_split(split, folder)  # type: ignore[misc]
    yield "hub", lambda: _from_hub(split)
    yield f"package {PACKAGE}", lambda: _read_split(split, debian.unpack_package(PACKAGE, INSTALLED, cache_folder()))


def _read_split(split: Split, folder: Path) -> Pair:
    images, labels = (verified(name, _decompressed(folder, name), str(folder)) for name in NAMES[split])
    return images, labels


def _decompressed(folder: Path, name: str) -> bytes:
    plain, packed = folder / name, folder / f"{name}.gz"
    try:
        return gzip.decompress(packed.read_bytes()) if packed.is_file() else plain.read_bytes()
    except (OSError, EOFError, zlib.error) as problem:
        raise SourceError(f"{folder} must have a readable {name} or {name}.gz: {problem}.") from problem


def verified(name: str, content: bytes, place: str) -> bytes:
    """Return `content` if it is that of the published file `name`.

    Raises:
        SourceError: Its digest is wrong.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGESTS[name]:
        raise SourceError(
            f"{name} in {place} is not Fashion-MNIST's: SHA-256 must be {DIGESTS[name]}, was {digest}.",
            hint="Delete the file and download it again.",
        )
    return content


def _from_hub(split: Split) -> Pair:
    from huggingface_hub import get_session, hf_hub_download, hf_hub_url, try_to_load_from_cache

    name = f"fashion_mnist/{split}-00000-of-00001.parquet"
    path = try_to_load_from_cache(HUB, name, repo_type="dataset", revision=REVISION)
    if not isinstance(path, str):
        try:
            # Without a network the download would retry six times over half a minute.
            get_session().head(hf_hub_url(HUB, name, repo_type="dataset", revision=REVISION), timeout=HUB_TIMEOUT_S)
            path = hf_hub_download(HUB, name, repo_type="dataset", revision=REVISION)
        except Exception as problem:  # any network error: the next location is tried
            raise debian.NotAvailable(f"no answer ({problem})") from problem
    images, labels = from_parquet(Path(path))
    return verified(NAMES[split][0], images, HUB), verified(NAMES[split][1], labels, HUB)


def from_parquet(path: Path) -> Pair:
    """Convert the hub's PNG images back to the original idx bytes, to verify them by the same digest."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["image", "label"])
    pixels = [decode(cell["bytes"]) for cell in table["image"].to_pylist()]
    labels = table["label"].to_numpy().astype(np.uint8)
    return to_idx(np.stack(pixels)), to_idx(labels)


def to_idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """Encode as idx: two zeros, type 8 (bytes), number of axes, 32-bit big-endian lengths, then the bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, dtype=">u4").tobytes() + array.tobytes()
