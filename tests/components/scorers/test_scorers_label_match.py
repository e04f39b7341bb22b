from __future__ import annotations

import numpy as np
import pytest

from assay.components.scorers.text.embeddings import LabelMatch, TextEmbedding
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Score, Unscored
from labs import Letters, real_lab, tiny_lab


def sample(text: str, label: str) -> Sample:
    return Sample({"text": text, "label": label})


def test_the_margin_is_a_difference_of_cosines_and_names_the_nearest() -> None:
    scorer = LabelMatch(("cat", "dog"), {"dog": ("dog", "hound")}, "tiny:letters")
    right, wrong = scorer.score([sample("the cat", "cat"), sample("the cat", "dog")], tiny_lab())
    text, cat, dog, hound = Letters().embed(["the cat", "cat", "dog", "hound"]).astype(np.float64)
    mean = (dog + hound) / np.linalg.norm(dog + hound)
    assert isinstance(right, Score)
    assert isinstance(wrong, Score)
    assert right.value == pytest.approx(text @ cat - text @ mean)
    assert wrong.value == pytest.approx(-right.value)
    assert right.answer == wrong.answer == "cat"
    assert right.evidence["cosine"] == pytest.approx(text @ cat)


def test_what_cannot_be_placed_is_unscored() -> None:
    outcomes = LabelMatch(("cat", "dog"), model="tiny:letters").score(
        [sample(" ", "cat"), sample("a cow", "cow"), sample("cat", "cat")], tiny_lab()
    )
    assert [isinstance(one, Unscored) for one in outcomes] == [True, True, False]
    blank, placed = TextEmbedding("tiny:letters").score([sample("", "cat"), sample("cat", "cat")], tiny_lab())
    assert isinstance(blank, Unscored)
    assert isinstance(placed, Fingerprint)


def test_praise_lies_nearer_to_praise() -> None:
    scorer = LabelMatch(("good", "bad"), {"good": ("I love it",), "bad": ("I am disappointed",)})
    told = [
        sample("What a wonderful cake, the best ever.", "good"),
        sample("A disappointing cake, dry and stale.", "bad"),
    ]
    assert all(isinstance(one, Score) and one.value > 0 for one in scorer.score(told, real_lab()))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"LabelMatch.labels"):
        LabelMatch(("cat",))
    with pytest.raises(ValueError, match=r"words .*of 'dgo'\. Did you mean 'dog'"):
        LabelMatch(("cat", "dog"), {"dgo": ("hound",)})
    with pytest.raises(ValueError, match=r"LabelMatch.words"):
        LabelMatch(("cat", "dog"), {"dog": ("",)})
