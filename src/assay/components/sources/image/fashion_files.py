"""Where the bytes of Fashion-MNIST come from, and the proof that they are the right ones."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from assay.components.sources.image import debian
from assay.core.errors import SourceError
from assay.images.codec import decode

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
"""SHA-256 of the decompressed files: the same whoever compressed them, and whoever stored them as PNG."""

PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
HUB = "zalando-datasets/fashion_mnist"
REVISION = "531be5e2ccc9dba0c201ad3ae567a4f3d16ecdd2"
PATIENCE = 5.0
"""Seconds the hub has to answer."""


def cache() -> Path:
    """Where assay keeps an unpacked copy: $XDG_CACHE_HOME or ~/.cache."""
    return debian.cache("fashion-mnist")


def find(split: Split, folder: Path | None) -> Pair:
    """The checked bytes of one split, from the first place that has them.

    Places: the folder that the user names and no other; else what lies on this disk (Debian's package, our cache),
    the hub, and Debian's package fetched without root. All hold the same bytes, so disk comes before network.

    Raises:
        SourceError: A place has other bytes than it should, or no place has any.
    """
    if folder is not None:
        return _read(split, folder)
    tried = []
    for place, fetch in _places(split):
        try:
            return fetch()
        except debian.Absent as absence:
            tried.append(f"{place}: {absence}")
    raise SourceError(
        "Fashion-MNIST cannot be had: " + "; ".join(tried) + ".",
        hint=f"With a network, run `apt-get update` first; else set `folder` to where {NAMES[split][0]}.gz lies.",
    )


def _places(split: Split) -> Iterator[tuple[str, Callable[[], Pair]]]:
    for folder in (INSTALLED, cache()):
        if folder.is_dir():
            yield str(folder), lambda folder=folder: _read(split, folder)  # type: ignore[misc]
    yield "hub", lambda: _from_hub(split)
    yield f"package {PACKAGE}", lambda: _read(split, debian.unpacked(PACKAGE, INSTALLED, cache()))


def _read(split: Split, folder: Path) -> Pair:
    images, labels = (checked(name, _unpacked(folder, name), str(folder)) for name in NAMES[split])
    return images, labels


def _unpacked(folder: Path, name: str) -> bytes:
    plain, packed = folder / name, folder / f"{name}.gz"
    try:
        return gzip.decompress(packed.read_bytes()) if packed.is_file() else plain.read_bytes()
    except (OSError, EOFError, zlib.error) as problem:
        raise SourceError(f"{folder} must hold {name} or {name}.gz, readable: {problem}.") from problem


def checked(name: str, content: bytes, place: str) -> bytes:
    """`content`, if it is what the file `name` has held since 2017.

    Raises:
        SourceError: Its digest is another.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGESTS[name]:
        raise SourceError(
            f"{name} in {place} is not Fashion-MNIST's: SHA-256 must be {DIGESTS[name]}, was {digest}.",
            hint="Delete it there and fetch it again.",
        )
    return content


def _from_hub(split: Split) -> Pair:
    from huggingface_hub import get_session, hf_hub_download, hf_hub_url, try_to_load_from_cache

    name = f"fashion_mnist/{split}-00000-of-00001.parquet"
    path = try_to_load_from_cache(HUB, name, repo_type="dataset", revision=REVISION)
    if not isinstance(path, str):
        try:
            # The download itself tries six times over half a minute, which is long to wait for no network.
            get_session().head(hf_hub_url(HUB, name, repo_type="dataset", revision=REVISION), timeout=PATIENCE)
            path = hf_hub_download(HUB, name, repo_type="dataset", revision=REVISION)
        except Exception as problem:  # whatever the network did, the next place may answer
            raise debian.Absent(f"no answer ({problem})") from problem
    images, labels = from_parquet(Path(path))
    return checked(NAMES[split][0], images, HUB), checked(NAMES[split][1], labels, HUB)


def from_parquet(path: Path) -> Pair:
    """The hub's PNGs as the idx bytes they were made from, so that one digest serves both."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["image", "label"])
    pixels = [decode(cell["bytes"]) for cell in table["image"].to_pylist()]
    labels = table["label"].to_numpy().astype(np.uint8)
    return to_idx(np.stack(pixels)), to_idx(labels)


def to_idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """The idx format: two zeros, type 8 (bytes), number of axes, each length as 32 bits big-endian, then the bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, dtype=">u4").tobytes() + array.tobytes()
