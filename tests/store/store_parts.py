"""Small real samples and strategies for the tests of the store."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import strategies as st

from assay.core.sample import Failure, Image, Sample
from assay.images.codec import encode_png

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
IMAGE = st.builds(
    Image,
    digest=st.sampled_from("abcdef").map(lambda letter: letter * 64),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
)
NAME = (
    st.sampled_from(
        ["label", "image", "image_width", "image.path", "id", "failure", "field", "label_", "", "a b", "\0"]
    )
    | TEXT
)
SAMPLE = st.builds(
    Sample,
    fields=st.dictionaries(NAME, TEXT | IMAGE, max_size=4),
    parents=st.lists(TEXT, max_size=2).map(tuple),
    made_by=TEXT,
    nth=st.integers(-(2**63), 2**63 - 1),
)
MADE = st.lists(SAMPLE | st.builds(Failure, seed=TEXT, reason=TEXT), max_size=6)


def gray_image(seed: int, side: int = 8) -> tuple[Image, bytes]:
    """A random grey image; equal seeds give equal bytes."""
    data = encode_png(np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8))
    return Image(hashlib.sha256(data).hexdigest(), side, side), data


def image_samples(count: int, *, first: int = 0, side: int = 8) -> tuple[list[Sample], dict[str, bytes]]:
    """`count` samples with a label and an image each, and the bytes by digest."""
    pairs = [gray_image(first + i, side) for i in range(count)]
    samples = [
        Sample({"label": ["bag", "coat"][i % 2], "image": image}, made_by="paint", nth=first + i)
        for i, (image, _) in enumerate(pairs)
    ]
    return samples, {image.digest: data for image, data in pairs}
