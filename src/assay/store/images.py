"""Images by digest, read from shards."""

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
from assay.store.shards import SAMPLES, read_encoded_images, stored_image_digests
from assay.store.tables import table_kind

CACHE_BYTES = 256 * 2**20
"""Cache size of encoded images; at least one shard is cached regardless of its size."""


class StoredImages:
    """Images of stage folders or single shards, and new images; not thread-safe.

    Pickles without caches, but with `new`.
    """

    new: dict[str, bytes]
    """Encoded images by digest that are in no shard yet; the shard writer clears it."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = [Path(place) for place in places]
        self.new = {}
        self._clear_caches()

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        """Decoded pixels in order; each shard is read once.

        Raises:
            StoreError: The bytes are missing, do not match their digest, or cannot be decoded.
        """
        return [self._decode(image, data) for image, data in zip(images, self.encoded(images), strict=True)]

    def encoded(self, images: Sequence[Image]) -> list[bytes]:
        """Encoded bytes in order, verified against their digests.

        Raises:
            StoreError: The bytes are missing or do not match their digest.
        """
        by_digest: dict[str, bytes] = {}
        # Grouped by shard: a shuffled data set would otherwise read every shard repeatedly.
        for shard, digests in self._by_shard(images).items():
            blobs = self.new if shard is None else self._blobs(shard)
            for digest in digests:
                data = blobs.get(digest, b"")
                if hashlib.sha256(data).hexdigest() != digest:
                    raise StoreError(f"The bytes of image {digest} in {shard} do not match its digest.")
                by_digest[digest] = data
        return [by_digest[image.digest] for image in images]

    def put(self, pixels: Pixels) -> Image:
        """Encode as PNG, store in `new`, and return the reference.

        Raises:
            ValueError: Not an array of pixels.
        """
        data = encode_png(pixels)
        digest = hashlib.sha256(data).hexdigest()
        self.new[digest] = data
        return Image(digest, width=int(pixels.shape[1]), height=int(pixels.shape[0]))

    def __getstate__(self) -> dict[str, Any]:
        return {"_places": self._places, "new": self.new}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear_caches()

    def _clear_caches(self) -> None:
        self._shard_of: dict[str, Path] = {}
        self._indexed: dict[Path, tuple[int, ...]] = {}
        self._cache: OrderedDict[Path, dict[str, bytes]] = OrderedDict()

    def _decode(self, image: Image, data: bytes) -> Pixels:
        try:
            return decode(data)
        except ValueError as error:
            where = self._shard_of.get(image.digest, "memory")
            raise StoreError(f"Image {image.digest} in {where} cannot be decoded: {error}") from error

    def _by_shard(self, images: Sequence[Image]) -> dict[Path | None, set[str]]:
        """Digests by shard; None for new images."""
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
            raise StoreError(f"Image {digest} is missing: it is in no shard of {places}.")
        return self._shard_of[digest]

    def _index(self) -> None:
        """Index the shards that are new or changed since the last call."""
        for shard in self._shards():
            status = shard.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self._indexed.get(shard) != stamp:
                for digest in stored_image_digests(shard):
                    self._shard_of.setdefault(digest, shard)
                self._cache.pop(shard, None)
                self._indexed[shard] = stamp

    def _shards(self) -> Iterator[Path]:
        for place in self._places:
            if place.is_dir():
                # A folder may also have tables of scores or decisions.
                yield from (path for path in sorted(place.glob("*.parquet")) if table_kind(path) == SAMPLES)
            elif place.exists():
                yield place
            else:
                raise StoreError(f"{place} does not exist, so its images cannot be read.")

    def _blobs(self, shard: Path) -> dict[str, bytes]:
        if shard not in self._cache:
            self._cache[shard] = read_encoded_images(shard)
            while len(self._cache) > 1 and _total(self._cache) > CACHE_BYTES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(shard)
        return self._cache[shard]


def _total(cache: Mapping[Path, Mapping[str, bytes]]) -> int:
    return sum(len(data) for blobs in cache.values() for data in blobs.values())
