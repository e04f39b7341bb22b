"""Perceptual hashes: images that look alike have hashes that differ in few bits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.errors import SourceError
from assay.core.extras import require

if TYPE_CHECKING:
    from assay.core.model_kinds import Pixels

BITS = 64
_HASH = re.compile(r"[0-9a-fA-F]{16}")


def perceptual_hash(pixels: Pixels) -> int:
    """pHash, 64 bits: which of the 8 x 8 lowest frequencies of the image in 32 x 32 grey pixels are above the median.

    By PyPI ImageHash (`phash`). Small changes of size, color and compression move few bits; cropping, turning and
    mirroring move many. An image of one color has no form, and its hash is that of any other such.
    """
    from PIL import Image

    imagehash = require("imagehash", "images")

    return int(str(imagehash.phash(Image.fromarray(pixels))), 16)


def distance(one: int, other: int) -> int:
    """Bits that differ, 0 to 64."""
    return (one ^ other).bit_count()


def read_hashes(text: str, name: str) -> list[tuple[int, str]]:
    """(hash, what its line says of it) of a list: sixteen hexadecimal digits a line, then anything; # begins a comment.

    Raises:
        SourceError: A line is none, or there is none; the message names it.
    """
    found = []
    for nth, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        digits, _, said = line.strip().partition(" ")
        if not _HASH.fullmatch(digits):
            raise SourceError(
                f"{name}, line {nth}: expected sixteen hexadecimal digits, had {digits[:40]!r}.",
                hint="A perceptual hash (pHash) of 64 bits, as ImageHash writes it.",
            )
        found.append((int(digits, 16), said.strip() or f"{name}:{nth}"))
    if not found:
        raise SourceError(f"{name} holds no hashes.")
    return found
