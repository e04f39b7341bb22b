"""Perceptual hashes (pHash) of images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.errors import SourceError, require

if TYPE_CHECKING:
    from assay.core.model_kinds import Pixels

BITS = 64
_HASH = re.compile(r"[0-9a-fA-F]{16}")


def perceptual_hash(pixels: Pixels) -> int:
    """64-bit pHash by ImageHash: signs of the 8 x 8 lowest DCT frequencies of the 32 x 32 gray image.

    Robust to changes of size, color and compression, not to cropping, rotation and mirroring. All images of a single
    color have the same hash.
    """
    from PIL import Image

    imagehash = require("imagehash", "images")

    return int(str(imagehash.phash(Image.fromarray(pixels))), 16)


def distance(first: int, second: int) -> int:
    """Hamming distance, 0 to 64."""
    return (first ^ second).bit_count()


def read_hashes(text: str, name: str) -> list[tuple[int, str]]:
    """Parse a list of hashes: (hash, description) per line of 16 hexadecimal digits and text; # starts a comment.

    Raises:
        SourceError: An invalid line, or no hashes; the message has the line number.
    """
    hashes = []
    for nth, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        digits, _, description = line.strip().partition(" ")
        if not _HASH.fullmatch(digits):
            raise SourceError(
                f"{name}, line {nth}: expected sixteen hexadecimal digits, had {digits[:40]!r}.",
                hint="A perceptual hash (pHash) of 64 bits, as ImageHash writes it.",
            )
        hashes.append((int(digits, 16), description.strip() or f"{name}:{nth}"))
    if not hashes:
        raise SourceError(f"{name} holds no hashes.")
    return hashes
