"""Isolation of errors: a sample at which a scorer raises is unscored, the others have their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from assay.core.errors import ContractError, ModelError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.core.scoring import score_isolated
from labs import tiny_lab
from reward_parts import Trouble


def answers(*texts: str) -> list[Sample]:
    return [Sample({"text": text}) for text in texts]


def test_samples_at_which_the_scorer_raises_are_unscored() -> None:
    outcomes = score_isolated(Trouble("raises at long ones"), answers("aa", "aaa", "aaaa"), tiny_lab())
    first, failed, last = outcomes
    assert (first, last) == (Score(0.002), Score(0.004))
    assert isinstance(failed, Unscored)
    assert failed.cause == "failed"
    assert failed.reason.startswith("ZeroDivisionError: ")


def test_a_score_of_nan_is_unscored() -> None:
    (outcome,) = score_isolated(Trouble("gives nan"), answers("a"), tiny_lab())
    assert isinstance(outcome, Unscored)
    assert outcome.reason.startswith("ValueError: Score.value")
    assert "nan" in outcome.reason


def test_user_errors_and_contract_errors_are_raised() -> None:
    @dataclass(frozen=True)
    class BreaksContract:
        scale: ClassVar[Scale] = Scale("lies")

        def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
            raise ContractError("It was promised.")

    with pytest.raises(ModelError):
        score_isolated(Trouble("knows no such thing"), answers("a", "b"), tiny_lab())
    with pytest.raises(ContractError):
        score_isolated(BreaksContract(), answers("a", "b"), tiny_lab())
