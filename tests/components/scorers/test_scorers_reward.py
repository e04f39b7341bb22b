"""Reward: what a reward model is asked, and what has no reward."""

from __future__ import annotations

import json

import pytest

from assay.components.scorers.language_model.reward import Reward
from assay.core.errors import FieldError, ModelError
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from error_fields import raises
from labs import tiny_lab


def test_rewards_the_answer_and_says_why_there_is_none() -> None:
    task = {"instruction": "Say it."}
    samples = [Sample({**task, "text": text}) for text in ("a b c", " ", "nothing", "a")]
    found = Reward("tiny:rater").score(samples, tiny_lab())
    assert found == [
        Score(3.0),
        Unscored("not_applicable", "The answer is blank."),
        Unscored("failed", "context: the conversation is longer than the context"),
        Score(1.0),
    ]


def test_the_dialogue_is_read_and_fields_may_have_other_names() -> None:
    history = json.dumps([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}])
    sample = Sample({"ask": "Say it.", "with": "x", "before": history, "said": "a b"})
    assert Reward("tiny:rater", "ask", "with", "before", "said").score([sample], tiny_lab()) == [Score(2.0)]
    broken = Sample({"instruction": "Say it.", "history": "Hi.", "text": "a"})
    with raises(FieldError, name="history", sample=broken.id):
        Reward("tiny:rater").score([broken], tiny_lab())


def test_mistakes_are_told() -> None:
    with pytest.raises(ModelError, match="No model 'tiny:ratter'"):
        Reward("tiny:ratter").score([Sample({"instruction": "Say it.", "text": "a"})], tiny_lab())
    with pytest.raises(FieldError, match="Field 'text' of sample"):
        Reward("tiny:rater").score([Sample({"instruction": "Say it."})], tiny_lab())
    with pytest.raises(ModelError):  # before a run makes anything, scorers are asked about nothing
        Reward("tiny:ratter").score([], tiny_lab())
