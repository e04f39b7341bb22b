"""Rewards of answers: weighted sums, failures, and reward models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.language_model.perplexity import Perplexity
from assay.components.trainers.reinforcement.rewards import (
    ByRewardModel,
    TotalRewards,
    answer_samples,
    check_scorers,
    check_weights,
    total_rewards,
    watched_scores,
)
from assay.core.completions import Message, NotCompleted
from assay.core.errors import ContractError, ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.model_kinds import AnswerRewardModel
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome, Scale, Score, Unscored
from error_fields import raises
from labs import TinyModels, tiny_lab
from reward_parts import Even

LAB = tiny_lab()
TASK = Sample({"instruction": "Name a fruit.", "output": "A pear."})


@dataclass(frozen=True)
class FixedOutcomes:
    """Returns the given outcomes, one per answer."""

    outcomes: tuple[Outcome, ...]
    scale: ClassVar[Scale] = Scale("points")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return self.outcomes


class Bounded(FixedOutcomes):
    """On a scale with a lowest value."""

    scale: ClassVar[Scale] = Scale("points", low=-1.0)


THREE = answer_samples("PPO", [TASK] * 3, ["Apple.", "Pear.", "Apple."])
NO_ANSWER = Unscored("failed", "gone")


def test_answer_sample_has_the_fields_of_its_prompt() -> None:
    first, _, third = THREE
    assert first.fields == {**TASK.fields, "text": "Apple."}
    assert (first.parents, first.made_by) == ((TASK.id,), "PPO")
    assert first.id != third.id


def test_total_reward_is_the_weighted_sum() -> None:
    first = FixedOutcomes((Score(1.0), Score(2.0), Score(-3.0)))
    second = FixedOutcomes((Score(10.0), Unscored("not_applicable", "x"), Unscored("unparsed", "y")))
    total = total_rewards("PPO.rewards", {"one": first, "two": Bounded(second.outcomes)}, {"two": 0.5}, THREE, LAB)
    assert total == TotalRewards((6.0, 1.5, -3.5), 2)  # unparsed answers get the lowest score of the scale, -1
    assert total_rewards("PPO.rewards", {"two": second}, {}, THREE, LAB).rewards == (10.0, None, None)


@pytest.mark.parametrize("swapped", [False, True])
def test_answer_with_a_failed_scorer_has_no_reward(swapped: bool) -> None:
    scorers = {
        "one": FixedOutcomes((Score(1.0), NO_ANSWER, Score(1.0))),
        "two": FixedOutcomes((Score(1.0), Score(5.0), NO_ANSWER)),
    }
    order = dict(reversed(scorers.items())) if swapped else scorers
    total = total_rewards("PPO.rewards", order, {}, THREE, LAB)
    assert total.rewards == (2.0, None, None)
    assert total.unread == 0
    assert total.reason == ("two: gone" if swapped else "one: gone")


def test_watched_score_is_the_mean_of_scored_answers() -> None:
    scorers = {"some": FixedOutcomes((Score(1.0), NO_ANSWER, Score(4.0))), "none": FixedOutcomes((NO_ANSWER,) * 3)}
    assert watched_scores("PPO.watch", scorers, THREE, LAB) == {"some": 2.5}


def test_watched_score_is_on_the_scale_of_the_scorer() -> None:
    lower = {"lower": Even(better="lower")}
    assert watched_scores("PPO.watch", lower, [Sample({"text": "bbba"})], LAB) == {"lower": 0.75}


def test_wrong_kind_or_number_of_outcomes_is_rejected() -> None:
    with raises(RecipeError, name="PPO.rewards.x", actual=Fingerprint):
        total_rewards("PPO.rewards", {"x": FixedOutcomes((Fingerprint((1.0,)),) * 3)}, {}, THREE, LAB)
    with pytest.raises(ContractError, match=r"\bFixedOutcomes\b.*\b3\b.*\b1\b"):
        total_rewards("PPO.rewards", {"x": FixedOutcomes((Score(1.0),))}, {}, THREE, LAB)


def test_raising_scorer_fails_only_on_those_answers() -> None:
    class Broken(FixedOutcomes):
        def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
            return [Score(float("nan" if sample.text("text") == "Pear." else 1)) for sample in samples]

    total = total_rewards("PPO.rewards", {"x": Broken(())}, {}, THREE, LAB)
    assert total.rewards == (1.0, None, 1.0)
    assert re.match(r"x: ValueError: Score\.value .*\bnan\b", total.reason)


def test_user_errors_of_scorers_propagate() -> None:
    with pytest.raises(ModelError, match="'tiny:nobody'"):
        total_rewards("PPO.rewards", {"x": Perplexity("tiny:nobody")}, {}, THREE, LAB)


def test_reward_model_gets_the_whole_conversation() -> None:
    received: list[tuple[Message, ...]] = []

    class Model:
        def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
            received.extend(conversations)
            return [0.5] * len(conversations)

    class Models(TinyModels):
        def reward_model(self, reference: str) -> AnswerRewardModel:
            return Model()

    outcomes = ByRewardModel("any", "Be brief.").score(THREE[:1], replace(LAB, models=Models()))
    assert outcomes == [Score(0.5)]
    roles = [(turn.role, turn.text) for turn in received[0]]
    assert roles == [("system", "Be brief."), ("user", "Name a fruit."), ("assistant", "Apple.")]


def test_conversation_over_context_is_unscored() -> None:
    samples = answer_samples("PPO", [TASK] * 2, ["there is nothing", "a pear"])
    lost, outcome = ByRewardModel("tiny:rater").score(samples, LAB)
    assert isinstance(lost, Unscored)
    assert lost.cause == "failed"
    assert lost.reason.startswith("context:")
    assert outcome == Score(2.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_reward_raises(value: float) -> None:
    class Model:
        def rewards(self, conversations: Sequence[Any]) -> Sequence[float]:
            return [value] * len(conversations)

    class Models(TinyModels):
        def reward_model(self, reference: str) -> AnswerRewardModel:
            return Model()

    with raises(RecipeError, model="bad", reward=str(value)):
        ByRewardModel("bad").score(THREE, replace(LAB, models=Models()))


def test_preflight_rejects_unsuitable_scorers() -> None:
    with pytest.raises(RecipeError, match=r"PPO\.rewards\.new"):
        check_scorers("PPO.rewards", {"new": RougeNovelty("text")}, LAB)
    with pytest.raises(ModelError, match="'tiny:nobody'"):
        check_scorers("PPO.watch", {"x": Perplexity("tiny:nobody")}, LAB)


def test_sign_is_flipped_if_lower_is_better() -> None:
    samples = answer_samples("PPO", [TASK] * 2, ["ab", "az"])
    plain = [outcome.value for outcome in Perplexity("tiny:author").score(samples, LAB) if isinstance(outcome, Score)]
    total = total_rewards("PPO.rewards", {"surprise": Perplexity("tiny:author")}, {"surprise": 2.0}, samples, LAB)
    assert total.rewards == pytest.approx([-2 * value for value in plain])


@pytest.mark.parametrize(
    ("weights", "pattern"),
    [({"x": 1.0}, r"PPO\.weights .*\bone, had 'x'"), ({"one": 0.0}, r"PPO\.weights .*\b0\b.*\b0 for 'one'")],
)
def test_invalid_weights_are_rejected(weights: dict[str, float], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        check_weights("PPO.weights", {"one": FixedOutcomes(())}, weights)
