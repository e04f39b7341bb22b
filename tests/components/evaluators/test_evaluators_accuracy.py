from __future__ import annotations

import pytest

from assay.components.evaluators.accuracy import Accuracy, ClassResult, confusion, per_class
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Score, Unscored
from labs import broken, shades, tiny_lab

EXPERT = Artifact("tiny:expert", "image-classifier", "none")


def test_accuracy_is_one_zero_or_unscored() -> None:
    lab = tiny_lab()
    black, grey, white = shades(lab, 1)
    wrong = Sample({**white.fields, "label": "black"})
    right, unknown, missed, lost = Accuracy().evaluate(EXPERT, [black, grey, wrong, broken()], lab)
    assert isinstance(right, Score)
    assert (right.value, right.answer) == (1.0, "black")
    assert right.evidence["confidence"] == right.evidence["intended"]
    assert isinstance(missed, Score)
    assert (missed.value, missed.answer) == (0.0, "white")
    assert missed.evidence["intended"] == pytest.approx(1 - missed.evidence["confidence"])
    assert isinstance(unknown, Unscored)
    assert unknown.cause == "not_applicable"
    assert isinstance(lost, Unscored)
    assert lost.cause == "failed"


def test_per_class_and_confusion_count_everything_once() -> None:
    outcomes: list[Outcome] = [
        Score(1.0, answer="a"),
        Score(0.0, answer="b"),
        Unscored("failed", "x"),
        Score(1.0, answer="b"),
    ]
    intended = ["a", "a", "a", "b"]
    assert per_class(intended, outcomes) == {"a": ClassResult(1, 2, 1), "b": ClassResult(1, 1, 0)}
    assert per_class(intended, outcomes)["a"].share == 0.5
    assert ClassResult(0, 0, 3).share is None
    assert confusion(intended, outcomes) == {"a": {"a": 1, "b": 1, "unscored": 1}, "b": {"b": 1}}


def test_confusion_of_labels() -> None:
    outcomes = [Label("agrees", answer="a"), Label("disagrees", answer="c")]
    assert confusion(["a", "b"], outcomes) == {"a": {"a": 1}, "b": {"c": 1}}
