"""A scorer that raises costs the samples that it raises at, and nothing else."""

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


def test_those_at_which_it_raises_have_failed() -> None:
    found = score_isolated(Trouble("raises at long ones"), answers("aa", "aaa", "aaaa"), tiny_lab())
    assert found == [Score(0.002), Unscored("failed", "ZeroDivisionError: division by zero"), Score(0.004)]


def test_a_score_that_is_no_number_has_failed() -> None:
    (found,) = score_isolated(Trouble("gives nan"), answers("a"), tiny_lab())
    assert isinstance(found, Unscored)
    assert found.reason.startswith("ValueError: Score.value")
    assert "nan" in found.reason


def test_what_the_user_can_mend_comes_through_and_so_does_a_broken_promise() -> None:
    @dataclass(frozen=True)
    class Liar:
        scale: ClassVar[Scale] = Scale("lies")

        def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
            raise ContractError("It was promised.")

    with pytest.raises(ModelError):
        score_isolated(Trouble("knows no such thing"), answers("a", "b"), tiny_lab())
    with pytest.raises(ContractError):
        score_isolated(Liar(), answers("a", "b"), tiny_lab())
