from __future__ import annotations

import numpy as np
import pytest

from assay.components.scorers.text.embeddings import LabelMatch, TextEmbedding
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Score, Unscored
from labs import Letters, real_lab, tiny_lab


def sample(text: str, label: str) -> Sample:
    return Sample({"text": text, "label": label})


def test_margin_is_a_difference_of_cosines() -> None:
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


def test_blank_text_and_unknown_label_are_unscored() -> None:
    outcomes = LabelMatch(("cat", "dog"), model="tiny:letters").score(
        [sample(" ", "cat"), sample("a cow", "cow"), sample("cat", "cat")], tiny_lab()
    )
    assert [isinstance(outcome, Unscored) for outcome in outcomes] == [True, True, False]
    blank, placed = TextEmbedding("tiny:letters").score([sample("", "cat"), sample("cat", "cat")], tiny_lab())
    assert isinstance(blank, Unscored)
    assert isinstance(placed, Fingerprint)


def test_label_match_of_sentiments() -> None:
    scorer = LabelMatch(("good", "bad"), {"good": ("I love it",), "bad": ("I am disappointed",)})
    samples = [
        sample("What a wonderful cake, the best ever.", "good"),
        sample("A disappointing cake, dry and stale.", "bad"),
    ]
    assert all(isinstance(outcome, Score) and outcome.value > 0 for outcome in scorer.score(samples, real_lab()))


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"LabelMatch.labels"):
        LabelMatch(("cat",))
    with pytest.raises(ValueError, match=r"LabelMatch\.words .*'dgo'.*'dog'"):
        LabelMatch(("cat", "dog"), {"dgo": ("hound",)})
    with pytest.raises(ValueError, match=r"LabelMatch.words"):
        LabelMatch(("cat", "dog"), {"dog": ("",)})
