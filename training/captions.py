"""Captions for Fashion-MNIST that say things a ruler could check in the pixels.

Every caption names the class in one of several words and, often, one to three attributes measured on the photograph:
tone (mean grey of the garment), texture (mean grey step between neighbours) and width (width over height of its box).
The words for an attribute are used for the lowest and the highest third of the class, never for the middle third, so
"light" means light for a bag and light for a boot alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""In the order of the data set's class indices."""

NOUNS: Mapping[str, Sequence[str]] = {
    "t-shirt": ("t-shirt", "t-shirt", "top", "tee"),
    "trouser": ("trouser", "trouser", "pair of trousers", "pair of pants"),
    "pullover": ("pullover", "pullover", "sweater", "jumper"),
    "dress": ("dress", "dress", "gown", "frock"),
    "coat": ("coat", "coat", "jacket", "overcoat"),
    "sandal": ("sandal", "sandal", "open shoe", "flip-flop"),
    "shirt": ("shirt", "shirt", "blouse", "button-up shirt"),
    "sneaker": ("sneaker", "sneaker", "trainer", "running shoe"),
    "bag": ("bag", "bag", "handbag", "purse"),
    "ankle boot": ("ankle boot", "ankle boot", "boot", "bootie"),
}
ATTRIBUTES: Mapping[str, tuple[str, str]] = {
    "tone": ("dark", "light"),
    "texture": ("plain", "patterned"),
    "width": ("narrow", "wide"),
}
"""Name to (word of the lowest third, word of the highest third)."""

TEMPLATES = (
    "{thing}",
    "a photo of {a_thing}",
    "a photo of {a_thing}",
    "a picture of {a_thing}",
    "a grey photograph of {a_thing}",
    "a small photo of {a_thing}",
    "{a_thing}",
    "{a_thing} on a black background",
    "a product photo of {a_thing}",
)
FOREGROUND = 20
"""A pixel brighter than this, of 255, belongs to the garment."""


@dataclass(frozen=True)
class Described:
    """What was measured: attribute to (n,) words as -1 lowest third, 0 middle, 1 highest third; thresholds by class."""

    words: Mapping[str, npt.NDArray[np.int8]]
    thresholds: Mapping[str, Mapping[str, tuple[float, float]]]


def measure(images: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float64]]:
    """Attribute to (n,) measurements of (n, height, width) grey images."""
    pixels = images.astype(np.float64)
    inside = images > FOREGROUND
    area = np.maximum(inside.sum(axis=(1, 2)), 1)
    tone = (pixels * inside).sum(axis=(1, 2)) / area
    both = inside[:, :, 1:] & inside[:, :, :-1]
    down = inside[:, 1:, :] & inside[:, :-1, :]
    steps = (np.abs(np.diff(pixels, axis=2)) * both).sum(axis=(1, 2))
    steps += (np.abs(np.diff(pixels, axis=1)) * down).sum(axis=(1, 2))
    texture = steps / np.maximum(both.sum(axis=(1, 2)) + down.sum(axis=(1, 2)), 1)
    width = inside.any(axis=1).sum(axis=1) / np.maximum(inside.any(axis=2).sum(axis=1), 1)
    return {"tone": tone, "texture": texture, "width": width}


def describe(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> Described:
    """The thirds of each class for each attribute. Shapes: images (n, height, width), labels (n,)."""
    measured = measure(images)
    words = {name: np.zeros(len(images), dtype=np.int8) for name in ATTRIBUTES}
    thresholds: dict[str, dict[str, tuple[float, float]]] = {}
    for index, label in enumerate(LABELS):
        member = labels == index
        thresholds[label] = {}
        for name in ATTRIBUTES:
            low, high = np.quantile(measured[name][member], [1 / 3, 2 / 3])
            words[name][member & (measured[name] < low)] = -1
            words[name][member & (measured[name] > high)] = 1
            thresholds[label][name] = (float(low), float(high))
    return Described(words, thresholds)


def caption(label: str, said: Sequence[str], rng: np.random.Generator) -> str:
    """One caption for `label` that says the words `said`, in an order of its own."""
    noun = NOUNS[label][rng.integers(len(NOUNS[label]))]
    thing = " ".join([*rng.permutation(np.asarray(said, dtype=object)), noun])
    article = "an" if thing[0] in "aeiou" else "a"
    return TEMPLATES[rng.integers(len(TEMPLATES))].format(thing=thing, a_thing=f"{article} {thing}")


def say(row: Mapping[str, int], rng: np.random.Generator, chance: float = 0.5) -> list[str]:
    """The attribute words that hold for one photograph, each said with probability `chance`."""
    return [ATTRIBUTES[name][value > 0] for name, value in row.items() if value and rng.random() < chance]


def corpus(seed: int = 0, size: int = 20_000) -> list[str]:
    """Captions for training the tokenizer: every class, word and template."""
    rng = np.random.default_rng(seed)
    texts = []
    for nth in range(size):
        row = {name: int(rng.integers(-1, 2)) for name in ATTRIBUTES}
        texts.append(caption(LABELS[nth % len(LABELS)], say(row, rng), rng))
    return texts
