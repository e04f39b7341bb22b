"""Reward: rewards, unscored samples, and errors."""

from __future__ import annotations

import json

import pytest

from assay.components.scorers.language_model.reward import Reward
from assay.core.errors import FieldError, ModelError
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from error_fields import raises
from labs import tiny_lab


def test_rewards_and_reasons() -> None:
    task = {"instruction": "Say it."}
    samples = [Sample({**task, "text": text}) for text in ("a b c", " ", "nothing", "a")]
    outcomes = Reward("tiny:rater").score(samples, tiny_lab())
    first, blank, long, last = outcomes
    assert (first, last) == (Score(3.0), Score(1.0))
    assert isinstance(blank, Unscored)
    assert blank.cause == "not_applicable"
    assert isinstance(long, Unscored)
    assert (long.cause, long.reason.partition(":")[0]) == ("failed", "context")


def test_history_and_field_names() -> None:
    history = json.dumps([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}])
    sample = Sample({"ask": "Say it.", "with": "x", "before": history, "said": "a b"})
    assert Reward("tiny:rater", "ask", "with", "before", "said").score([sample], tiny_lab()) == [Score(2.0)]
    broken = Sample({"instruction": "Say it.", "history": "Hi.", "text": "a"})
    with raises(FieldError, name="history", sample=broken.id):
        Reward("tiny:rater").score([broken], tiny_lab())


def test_unknown_model_and_missing_field_raise() -> None:
    with pytest.raises(ModelError, match="'tiny:ratter'"):
        Reward("tiny:ratter").score([Sample({"instruction": "Say it.", "text": "a"})], tiny_lab())
    sample = Sample({"instruction": "Say it."})
    with raises(FieldError, name="text", sample=sample.id, value=None):
        Reward("tiny:rater").score([sample], tiny_lab())
    with pytest.raises(ModelError):  # before a run makes anything, scorers are asked about nothing
        Reward("tiny:ratter").score([], tiny_lab())
