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
class Says:
    """Outcomes as they are given, one an answer."""

    outcomes: tuple[Outcome, ...]
    scale: ClassVar[Scale] = Scale("points")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return self.outcomes


class Bounded(Says):
    """On a scale with a lowest value."""

    scale: ClassVar[Scale] = Scale("points", low=-1.0)


THREE = answer_samples("PPO", [TASK] * 3, ["Apple.", "Pear.", "Apple."])
NO_ANSWER = Unscored("failed", "gone")


def test_an_answer_has_the_fields_of_its_prompt() -> None:
    first, _, third = THREE
    assert first.fields == {**TASK.fields, "text": "Apple."}
    assert (first.parents, first.made_by) == ((TASK.id,), "PPO")
    assert first.id != third.id


def test_scores_are_added_by_their_weights() -> None:
    one = Says((Score(1.0), Score(2.0), Score(-3.0)))
    two = Says((Score(10.0), Unscored("not_applicable", "x"), Unscored("unparsed", "y")))
    found = total_rewards("PPO.rewards", {"one": one, "two": Bounded(two.outcomes)}, {"two": 0.5}, THREE, LAB)
    assert found == TotalRewards((6.0, 1.5, -3.5), 2)  # what cannot be read gets the scale's lowest, -1
    assert total_rewards("PPO.rewards", {"two": two}, {}, THREE, LAB).rewards == (10.0, None, None)


@pytest.mark.parametrize("turned", [False, True])
def test_an_answer_of_which_one_scorer_failed_has_no_reward(turned: bool) -> None:
    scorers = {"one": Says((Score(1.0), NO_ANSWER, Score(1.0))), "two": Says((Score(1.0), Score(5.0), NO_ANSWER))}
    order = dict(reversed(scorers.items())) if turned else scorers
    found = total_rewards("PPO.rewards", order, {}, THREE, LAB)
    assert found.rewards == (2.0, None, None)
    assert found.unread == 0
    assert found.reason == ("two: gone" if turned else "one: gone")


def test_what_is_watched_is_the_mean_of_what_was_scored() -> None:
    scorers = {"some": Says((Score(1.0), NO_ANSWER, Score(4.0))), "none": Says((NO_ANSWER,) * 3)}
    assert watched_scores("PPO.watch", scorers, THREE, LAB) == {"some": 2.5}


def test_what_is_watched_stays_on_its_own_scale() -> None:
    lower = {"lower": Even(better="lower")}
    assert watched_scores("PPO.watch", lower, [Sample({"text": "bbba"})], LAB) == {"lower": 0.75}


def test_what_is_no_number_or_too_few_is_refused() -> None:
    with raises(RecipeError, name="PPO.rewards.x", actual=Fingerprint):
        total_rewards("PPO.rewards", {"x": Says((Fingerprint((1.0,)),) * 3)}, {}, THREE, LAB)
    with pytest.raises(ContractError, match=r"\bSays\b.*\b3\b.*\b1\b"):
        total_rewards("PPO.rewards", {"x": Says((Score(1.0),))}, {}, THREE, LAB)


def test_a_scorer_that_raises_fails_on_those_answers_alone() -> None:
    class Broken(Says):
        def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
            return [Score(float("nan" if one.text("text") == "Pear." else 1)) for one in samples]

    found = total_rewards("PPO.rewards", {"x": Broken(())}, {}, THREE, LAB)
    assert found.rewards == (1.0, None, 1.0)
    assert re.match(r"x: ValueError: Score\.value .*\bnan\b", found.reason)


def test_our_own_errors_come_through_as_they_are() -> None:
    with pytest.raises(ModelError, match="'tiny:nobody'"):
        total_rewards("PPO.rewards", {"x": Perplexity("tiny:nobody")}, {}, THREE, LAB)


def test_a_reward_model_reads_the_conversation_with_its_answer() -> None:
    heard: list[tuple[Message, ...]] = []

    class Model:
        def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
            heard.extend(conversations)
            return [0.5] * len(conversations)

    class Models(TinyModels):
        def reward_model(self, reference: str) -> AnswerRewardModel:
            return Model()

    found = ByRewardModel("any", "Be brief.").score(THREE[:1], replace(LAB, models=Models()))
    assert found == [Score(0.5)]
    roles = [(turn.role, turn.text) for turn in heard[0]]
    assert roles == [("system", "Be brief."), ("user", "Name a fruit."), ("assistant", "Apple.")]


def test_a_conversation_that_a_reward_model_cannot_read_has_failed() -> None:
    samples = answer_samples("PPO", [TASK] * 2, ["there is nothing", "a pear"])
    lost, found = ByRewardModel("tiny:rater").score(samples, LAB)
    assert lost == Unscored("failed", "context: the conversation is longer than the context")
    assert found == Score(2.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reward_model_that_gives_no_number_is_named(value: float) -> None:
    class Model:
        def rewards(self, conversations: Sequence[Any]) -> Sequence[float]:
            return [value] * len(conversations)

    class Models(TinyModels):
        def reward_model(self, reference: str) -> AnswerRewardModel:
            return Model()

    with raises(RecipeError, model="bad", reward=str(value)):
        ByRewardModel("bad").score(THREE, replace(LAB, models=Models()))


def test_a_scorer_that_compares_samples_is_refused_beforehand() -> None:
    with pytest.raises(RecipeError, match=r"PPO\.rewards\.new"):
        check_scorers("PPO.rewards", {"new": RougeNovelty("text")}, LAB)
    with pytest.raises(ModelError, match="'tiny:nobody'"):
        check_scorers("PPO.watch", {"x": Perplexity("tiny:nobody")}, LAB)


def test_what_is_better_when_lower_is_turned_round() -> None:
    samples = answer_samples("PPO", [TASK] * 2, ["ab", "az"])
    plain = [one.value for one in Perplexity("tiny:author").score(samples, LAB) if isinstance(one, Score)]
    found = total_rewards("PPO.rewards", {"surprise": Perplexity("tiny:author")}, {"surprise": 2.0}, samples, LAB)
    assert found.rewards == pytest.approx([-2 * one for one in plain])


@pytest.mark.parametrize(("weights", "said"), [({"x": 1.0}, "must be of one, had 'x'"), ({"one": 0.0}, "not 0, was 0")])
def test_weights_that_are_no_use_are_refused(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_weights("PPO.weights", {"one": Says(())}, weights)
