"""Decoding and encoding of images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from assay.core.model_kinds import Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Supported formats; Pillow's other readers are rarely used, and one of them starts another program."""
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""Suffixes of image files, in lower case."""
MAX_PIXELS = 2**26
"""Maximum size: 67 million pixels, 200 MB decoded; below Pillow's own limit for decompression bombs."""
_COMPRESS_LEVEL = 6


def find_images(folder: Path) -> list[Path]:
    """Image files in a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def encode_png(pixels: Pixels) -> bytes:
    """PNG without metadata; equal pixels give equal bytes with one build of Pillow.

    Args:
        pixels: uint8, (height, width) gray or (height, width, 3) RGB.

    Raises:
        ValueError: Another dtype or shape.
    """
    gray_or_rgb = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not gray_or_rgb or pixels.size == 0:
        raise ValueError(f"Expected uint8 (height, width) or (height, width, 3), had {pixels.dtype} {pixels.shape}.")
    target = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(target, format="PNG", compress_level=_COMPRESS_LEVEL)
    return target.getvalue()


def decode(data: bytes) -> Pixels:
    """Decode an image, oriented by EXIF; the first frame of an animation.

    Returns:
        Writable uint8: (height, width) for 8- or 16-bit gray (upper 8 bits), (height, width, 3) for everything else.

    Raises:
        ValueError: Not an image, truncated, or more than MAX_PIXELS.
    """
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
            return _pixels(image)
    except MemoryError:
        raise
    # Pillow's readers raise OSError, SyntaxError, struct.error, IndexError and others.
    except Exception as error:
        raise ValueError(f"{len(data)} bytes do not decode as an image: {error}.") from error


def _pixels(image: Pillow.Image) -> Pixels:
    # Only the header has been read so far: reject decompression bombs before decoding.
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MAX_PIXELS}")
    image = ImageOps.exif_transpose(image)
    if image.mode == "L":
        return np.array(image, dtype=np.uint8)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips, which makes nearly every such image white.
        return (np.asarray(image) >> 8).astype(np.uint8)
    if image.mode in ("I", "F"):
        raise ValueError(f"its mode {image.mode!r} has no 8-bit range")
    return np.array(image.convert("RGB"), dtype=np.uint8)
