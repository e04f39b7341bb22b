from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.sources.image.ood_images import Digits, Noise
from assay.core.roles import Source
from labs import tiny_lab


def test_digits_are_scikit_learns_enlarged() -> None:
    lab = tiny_lab()
    every = Digits().read(lab)
    assert len(every) == 1797
    data = load_digits()
    assert Counter(sample.text("label") for sample in every) == Counter(f"digit {digit}" for digit in data.target)
    pixels = lab.pixels(every[:50])
    assert {image.shape for image in pixels} == {(28, 28)}
    for image, small in zip(pixels, data.images[:50], strict=True):
        middles = (np.arange(8) * 3.5 + 1.75).astype(int)
        again = image[np.ix_(middles, middles)].astype(float)
        assert np.corrcoef(again.ravel(), small.ravel())[0, 1] > 0.95
    few = Digits(per_label=3, size=32).read(lab)
    assert Counter(sample.text("label") for sample in few) == {f"digit {digit}": 3 for digit in range(10)}
    assert lab.pixels(few[:1])[0].shape == (32, 32)


def test_noise_depends_on_the_seed_and_the_place_alone() -> None:
    lab = tiny_lab()
    few, more, other = Noise(4).read(lab), Noise(10).read(lab), Noise(4, seed=1).read(lab)
    assert list(more[:4]) == list(few)
    assert {sample.id for sample in few}.isdisjoint(sample.id for sample in other)
    even, soft = lab.pixels(few[:2])
    steps = [np.abs(np.diff(image.astype(int), axis=1)).mean() for image in (even, soft)]
    assert steps[0] > 3 * steps[1]


@pytest.mark.parametrize("source", [Digits(per_label=2), Noise(5), FashionMNIST(per_label=2, only=("bag", "coat"))])
def test_samples_are_reproducible(source: Source) -> None:
    assert list(source.read(tiny_lab())) == list(source.read(tiny_lab(seed=8)))


def test_only_selects_classes() -> None:
    lab = tiny_lab()
    chosen = FashionMNIST(only=("bag", "coat")).read(lab)
    assert Counter(sample.text("label") for sample in chosen) == {"bag": 1000, "coat": 1000}
    few = FashionMNIST(per_label=3, only=("bag",)).read(lab)
    assert [sample.text("origin") for sample in few] == [
        sample.text("origin") for sample in chosen if sample.text("label") == "bag"
    ][:3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Digits(per_label=0), r"Digits\.per_label .*\b1\b.*\b0\b"),
        (lambda: Digits(size=4), r"Digits\.size .*\b8\b.*\b1024\b.*\b4\b"),
        (lambda: Noise(count=0), r"Noise\.count .*\b1\b.*\b0\b"),
        (lambda: Noise(size=4), r"Noise\.size .*\b8\b.*\b1024\b.*\b4\b"),
        (lambda: FashionMNIST(only=("hat",)), r"FashionMNIST\.only .*'hat'"),
    ],
)
def test_invalid_arguments_raise(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
