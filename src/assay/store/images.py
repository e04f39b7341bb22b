"""Pixels by reference, out of shards: what a lab gives to components."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.core.errors import StoreError
from assay.core.model_kinds import Pixels
from assay.core.sample import Image
from assay.images.codec import decode, encode_png
from assay.store.shards import MADE, read_blobs, stored_digests
from assay.store.tables import kind_of

CACHE_BYTES = 256 * 2**20
"""Of encoded images kept in memory; one shard is kept however large it is."""


class StoredImages:
    """Images of stage folders or single shards, and those put since; one for each thread.

    It pickles small: the caches are left behind, and what is `new` goes along.
    """

    new: dict[str, bytes]
    """What was put and lies in no shard yet, by digest; whoever writes the shard empties it."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = [Path(place) for place in places]
        self.new = {}
        self._forget()

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        """Decoded pixels, in order; each shard that is needed is read once.

        Raises:
            StoreError: The bytes are missing, are not what their digest says, or do not decode.
        """
        return [self._decode(image, data) for image, data in zip(images, self.encoded(images), strict=True)]

    def encoded(self, images: Sequence[Image]) -> list[bytes]:
        """The encoded bytes, in order, checked against their digests.

        Raises:
            StoreError: The bytes are missing, or are not what their digest says.
        """
        found: dict[str, bytes] = {}
        # By shard: in the order asked for, a shuffled data set would read every shard again and again.
        for shard, digests in self._by_shard(images).items():
            blobs = self.new if shard is None else self._blobs(shard)
            for digest in digests:
                data = blobs.get(digest, b"")
                if hashlib.sha256(data).hexdigest() != digest:
                    raise StoreError(f"The bytes of image {digest} in {shard} are not what they were.")
                found[digest] = data
        return [found[image.digest] for image in images]

    def put(self, pixels: Pixels) -> Image:
        """Encodes as PNG, keeps it in `new`, and names it.

        Raises:
            ValueError: These are no pixels.
        """
        data = encode_png(pixels)
        digest = hashlib.sha256(data).hexdigest()
        self.new[digest] = data
        return Image(digest, width=int(pixels.shape[1]), height=int(pixels.shape[0]))

    def __getstate__(self) -> dict[str, Any]:
        return {"_places": self._places, "new": self.new}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._shard_of: dict[str, Path] = {}
        self._indexed: dict[Path, tuple[int, ...]] = {}
        self._cache: OrderedDict[Path, dict[str, bytes]] = OrderedDict()

    def _decode(self, image: Image, data: bytes) -> Pixels:
        try:
            return decode(data)
        except ValueError as error:
            where = self._shard_of.get(image.digest, "memory")
            raise StoreError(f"Image {image.digest} in {where} does not decode: {error}") from error

    def _by_shard(self, images: Sequence[Image]) -> dict[Path | None, set[str]]:
        """Digests by the shard they lie in; None stands for what is new."""
        groups: dict[Path | None, set[str]] = {}
        for image in images:
            groups.setdefault(self._find(image.digest), set()).add(image.digest)
        return groups

    def _find(self, digest: str) -> Path | None:
        if digest in self.new:
            return None
        if digest not in self._shard_of:
            self._index()
        if digest not in self._shard_of:
            places = ", ".join(map(str, self._places)) or "no folder"
            raise StoreError(f"Image {digest} is missing: it lies in no shard of {places}.")
        return self._shard_of[digest]

    def _index(self) -> None:
        """Learns what lies in the shards that were not there, or were another file, the last time."""
        for shard in self._shards():
            seen = shard.stat()
            stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
            if self._indexed.get(shard) != stamp:
                for digest in stored_digests(shard):
                    self._shard_of.setdefault(digest, shard)
                self._cache.pop(shard, None)
                self._indexed[shard] = stamp

    def _shards(self) -> Iterator[Path]:
        for place in self._places:
            if place.is_dir():
                # A folder may hold scores or decisions; only a shard that was named outright must be one.
                yield from (path for path in sorted(place.glob("*.parquet")) if kind_of(path) == MADE)
            elif place.exists():
                yield place
            else:
                raise StoreError(f"{place} does not exist: its images cannot be read.")

    def _blobs(self, shard: Path) -> dict[str, bytes]:
        if shard not in self._cache:
            self._cache[shard] = read_blobs(shard)
            while len(self._cache) > 1 and _total(self._cache) > CACHE_BYTES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(shard)
        return self._cache[shard]


def _total(cache: Mapping[Path, Mapping[str, bytes]]) -> int:
    return sum(len(data) for blobs in cache.values() for data in blobs.values())
