from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from assay.images import codec
from assay.images.codec import decode, encode_png


def encode(image: Pillow.Image, format_: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, format=format_, **options)
    return target.getvalue()


def png_that_claims(side: int) -> bytes:
    """A 3 x 3 grey image whose header claims `side` x `side` pixels."""
    data = encode_png(np.zeros((3, 3), np.uint8))
    header = b"IHDR" + struct.pack(">II", side, side) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2**32))
def test_png_loses_nothing_and_is_deterministic(height: int, width: int, color: bool, seed: int) -> None:
    shape = (height, width, 3) if color else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    data = encode_png(pixels)
    assert np.array_equal(decode(data), pixels)
    assert encode_png(np.asfortranarray(pixels)) == data
    assert decode(data).flags.writeable


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8), np.zeros(3, np.uint8)],
)
def test_other_arrays_are_rejected(pixels: Any) -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode_png(pixels)


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA", "CMYK"])
def test_every_other_mode_becomes_rgb(mode: str) -> None:
    data = encode(Pillow.new("RGB", (3, 2), (200, 200, 200)).convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    assert decode(data).shape == (2, 3, 3)


def test_16_bit_grey_keeps_its_upper_bits() -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    assert decode(encode(Pillow.fromarray(values))).tolist() == [[0, 0, 1, 128, 255]]


def test_exif_orientation_is_applied() -> None:
    image = Pillow.new("RGB", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6
    assert decode(encode(image, "JPEG", exif=exif)).shape == (4, 2, 3)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=rf"^{len(data)} bytes\b"):
        decode(data)


def test_truncated_image_is_rejected_unless_its_pixels_are_complete() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    data = encode_png(pixels)
    refused = 0
    for length in range(len(data)):
        try:
            assert np.array_equal(decode(data[:length]), pixels)
        except ValueError:
            refused += 1
    # After the last pixel come two checksums (8 bytes) and a chunk that says it ends here (12).
    assert refused == len(data) - 20


def test_a_float_image_is_refused() -> None:
    with pytest.raises(ValueError, match="'F'"):
        decode(encode(Pillow.fromarray(np.zeros((2, 2), np.float32)), "TIFF"))


def test_a_decompression_bomb_is_refused_without_being_decoded() -> None:
    side = int(codec.MAX_PIXELS**0.5) + 1
    with pytest.raises(ValueError, match=f"{side} x {side}"):
        decode(png_that_claims(side))
    with pytest.raises(ValueError, match="decompression bomb"):
        decode(png_that_claims(100_000))
    # The same image, when it says how large it is.
    assert decode(png_that_claims(3)).shape == (3, 3)
