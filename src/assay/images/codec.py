"""Encoded images to pixels and back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from assay.core.model_kinds import Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is decoded; Pillow's other readers are rarely used, and one of them starts another program."""
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""Of names of files that are taken for images, in small letters."""
MAX_PIXELS = 2**26
"""Larger images are refused: 67 million pixels, 200 MB decoded; below where Pillow itself warns of bombs."""
_COMPRESS_LEVEL = 6


def images_below(folder: Path) -> list[Path]:
    """Files of a folder and of those in it that are named as images are, in order."""
    return sorted(one for one in folder.rglob("*") if one.suffix.lower() in ENDINGS and one.is_file())


def encode_png(pixels: Pixels) -> bytes:
    """PNG without metadata; equal pixels give equal bytes with one build of Pillow.

    Args:
        pixels: (height, width) grey or (height, width, 3) red, green, blue; 8 bits.

    Raises:
        ValueError: These are no pixels.
    """
    grey_or_rgb = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not grey_or_rgb or pixels.size == 0:
        raise ValueError(f"Expected uint8 (height, width) or (height, width, 3), had {pixels.dtype} {pixels.shape}.")
    target = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(target, format="PNG", compress_level=_COMPRESS_LEVEL)
    return target.getvalue()


def decode(data: bytes) -> Pixels:
    """Pixels of an encoded image, upright, writable; the first one of an animation.

    Returns:
        (height, width) for 8- or 16-bit grey, of which the upper 8 bits stay; (height, width, 3) for everything else.

    Raises:
        ValueError: The bytes are not an image, are cut off, or hold more than MAX_PIXELS.
    """
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
            return _pixels(image)
    except MemoryError:
        raise
    # Pillow's readers raise whatever their parsing trips over: OSError, SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        raise ValueError(f"{len(data)} bytes do not decode as an image: {error}.") from error


def _pixels(image: Pillow.Image) -> Pixels:
    # Only the header has been read so far: a bomb must be refused before it goes off.
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MAX_PIXELS}")
    image = ImageOps.exif_transpose(image)
    if image.mode == "L":
        return np.array(image, dtype=np.uint8)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips, which turns nearly every such image white.
        return (np.asarray(image) >> 8).astype(np.uint8)
    if image.mode in ("I", "F"):
        raise ValueError(f"its mode {image.mode!r} has no 8-bit range")
    return np.array(image.convert("RGB"), dtype=np.uint8)
