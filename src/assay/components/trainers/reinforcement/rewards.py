"""Rewards of answers: scores with a common direction, their weighted sum, reward models, held-out evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from assay.components.trainers.checks import prompt_digest
from assay.components.trainers.training_run import preserved_random_state
from assay.core.completions import Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ContractError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import ChecksPreconditions, Scorer, compares_samples
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.core.scoring import score_isolated
from assay.text.instructions.dialogues import conversation

ANSWER = "text"
"""Field of a sample that holds the answer."""


@dataclass(frozen=True)
class ScorerRewards:
    """Rewards that one scorer gives some answers."""

    values: tuple[float | None, ...]
    """One per answer; None if the scorer failed, which excludes the answer from training."""
    unread: int
    """Answers that the scorer could not parse, or that it does not apply to; their reward is the lowest score."""
    failed: int
    reasons: tuple[str, ...]
    """Distinct reasons of the failures, as given by the scorer."""


@dataclass(frozen=True)
class ByRewardModel:
    """Scorer of a reward model: the reward of an answer as the end of its conversation."""

    model: str
    system: str = ""

    scale: ClassVar[Scale] = Scale("reward")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Rewards; "failed" if a conversation exceeds the model's context.

        Raises:
            RecipeError: A reward is not finite.
        """
        turns = [
            (*conversation(sample, system=self.system), Message("assistant", sample.text(ANSWER))) for sample in samples
        ]
        return [self._outcome(reward) for reward in lab.models.reward_model(self.model).rewards(turns)]

    def _outcome(self, reward: float | NotCompleted) -> Outcome:
        if isinstance(reward, NotCompleted):
            return Unscored("failed", f"{reward.lack}: {reward.reason}")
        if not math.isfinite(reward):
            raise RecipeError(
                f"Reward model {self.model!r} gave the reward {reward}.", model=self.model, reward=str(reward)
            )
        return Score(reward)


@dataclass(frozen=True)
class TotalRewards:
    """Weighted sums of the rewards of several scorers."""

    rewards: tuple[float | None, ...]
    """One per answer; None if a scorer failed."""
    unread: int
    """Number of lowest scores given because a scorer could not parse an answer."""
    reason: str = ""
    """Reason of the first failure."""


def answer_samples(owner: str, prompts: Sequence[Sample], answers: Sequence[str]) -> list[Sample]:
    """Each answer as a sample for scorers: the fields of its prompt, and the answer in `text`."""
    return [
        Sample({**prompt.fields, ANSWER: answer.strip()}, parents=(prompt.id,), made_by=owner, nth=nth)
        for nth, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
    ]


def scorer_rewards(name: str, scorer: Scorer, answers: Sequence[Sample], lab: Lab) -> ScorerRewards:
    """Rewards that a scorer gives; the sign of its scores is flipped if lower is better.

    An answer that cannot be parsed gets the lowest score of the scale, if the scale is bounded there: a malformed
    answer must not be better than a wrong one. If a scorer raises, the answers are scored one by one, so that only the
    failing ones are lost.

    Raises:
        RecipeError: The scorer's outcome is not a number.
        UserError: As the scorer.
    """
    with preserved_random_state():
        outcomes = score_isolated(scorer, answers, lab)
    if len(outcomes) != len(answers):
        raise ContractError(f"{type(scorer).__name__} was given {len(answers)} answers and returned {len(outcomes)}.")
    lowest = lowest_reward(scorer.scale)
    values, unread, reasons = list[float | None](), 0, dict[str, None]()
    for outcome in outcomes:
        if isinstance(outcome, Score):
            values.append(-outcome.value if scorer.scale.better == "lower" else outcome.value)
        elif not isinstance(outcome, Unscored):
            kind = type(outcome)
            raise RecipeError(
                f"{name} returns a {kind.__name__.lower()}, but a reward must be a number.", name=name, actual=kind
            )
        elif outcome.cause == "failed" or lowest is None:
            reasons[outcome.reason] = None
            values.append(None)
        else:
            unread += 1
            values.append(lowest)
    return ScorerRewards(tuple(values), unread, values.count(None), tuple(reasons))


def lowest_reward(scale: Scale) -> float | None:
    """The lowest possible reward on a scale; None if it is unbounded."""
    if scale.better == "lower":
        return None if scale.high is None else -scale.high
    return scale.low


def mean_score(scorer: Scorer, rewards: Sequence[float]) -> float:
    """Mean of rewards on the scorer's own scale."""
    mean = sum(rewards) / len(rewards)
    return -mean if scorer.scale.better == "lower" else mean


def total_rewards(
    where: str, scorers: Mapping[str, Scorer], weights: Mapping[str, float], samples: Sequence[Sample], lab: Lab
) -> TotalRewards:
    """Weighted sum of the scorers' rewards of each answer.

    Raises:
        RecipeError: As `scorer_rewards`, or a sum is not finite.
    """
    totals: list[float | None] = [0.0] * len(samples)
    unread, reason = 0, ""
    for name, scorer in scorers.items():
        rewards, weight = scorer_rewards(f"{where}.{name}", scorer, samples, lab), weights.get(name, 1.0)
        pairs = zip(totals, rewards.values, strict=True)
        totals = [None if total is None or value is None else total + weight * value for total, value in pairs]
        unread += rewards.unread
        if rewards.reasons:
            reason = reason or f"{name}: {rewards.reasons[0]}"
    if any(total is not None and not math.isfinite(total) for total in totals):
        raise RecipeError(
            f"{where} add up to a reward that is not finite.", hint="Smaller weights may help.", name=where
        )
    return TotalRewards(tuple(totals), unread, reason)


def watched_scores(where: str, scorers: Mapping[str, Scorer], samples: Sequence[Sample], lab: Lab) -> dict[str, float]:
    """Mean score by each scorer on its own scale, over the answers it does not fail on; empty if it fails on all.

    Raises:
        RecipeError: As `scorer_rewards`.
    """
    means = {}
    for name, scorer in scorers.items():
        rewards = scorer_rewards(f"{where}.{name}", scorer, samples, lab)
        values = [value for value in rewards.values if value is not None]
        if values:
            means[name] = mean_score(scorer, values)
    return means


def check_scorers(where: str, scorers: Mapping[str, Scorer], lab: Lab) -> None:
    """Preflight: check that each scorer can give rewards, and load its models.

    Raises:
        RecipeError: A scorer cannot be a reward.
        UserError: As the scorers.
    """
    for name, scorer in scorers.items():
        if scorer.scale.better == "neither":
            raise RecipeError(
                f"{where}.{name} cannot be a reward: on its scale ({scorer.scale.unit}) neither higher nor lower is "
                f"better."
            )
        if compares_samples(scorer):
            raise RecipeError(f"{where}.{name} cannot be a reward: its score of an answer depends on other answers.")
        if isinstance(scorer, ChecksPreconditions):
            scorer.check((), lab)
        scorer.score((), lab)


def check_weights(where: str, scorers: Mapping[str, Scorer], weights: Mapping[str, float]) -> None:
    """Check the weights of scorers.

    Raises:
        ValueError: A weight has no scorer, is 0, or is not finite.
    """
    for name, weight in weights.items():
        if name not in scorers:
            raise ValueError(f"{where} must be of {', '.join(scorers) or 'scorers'}, had {name!r}.")
        if not math.isfinite(weight) or weight == 0:
            raise ValueError(f"{where} must be finite and not 0, was {weight:g} for {name!r}.")


FILE = "held-out-rewards.json"
"""Rows of id, prompt, before, after, and the number of sampled answers: 0 if the answer is the greedy one."""


@dataclass(frozen=True)
class HeldOutEvaluation:
    """Evaluation of models by the rewards of their answers to held-out prompts."""

    owner: str
    """Name of the trainer."""
    scorers: Mapping[str, Scorer]
    weights: Mapping[str, float]
    """Weights of scorers; 1 by default."""
    prompts: Sequence[tuple[Sample, tuple[Message, ...]]]
    decoding: Decoding
    """Its seed is ignored. Each prompt has a seed, which both models use, to reduce the variance of the difference."""

    def write(self, start: str, folder: Path, lab: Lab) -> None:
        """Write the mean rewards of the model `start` and of `folder / "model"`, if there are held-out prompts.

        Raises:
            RecipeError: A reward is not finite.
        """
        if not self.prompts:
            return
        before, after = (self.mean_rewards(model, lab) for model in (start, str(folder / "model")))
        sampled = self.decoding.answers if self.decoding.strategy == "sample" else 0
        rows = [
            {"id": sample.id, "prompt": prompt_digest(sample), "before": old, "after": new, "sampled": sampled}
            for (sample, _), old, new in zip(self.prompts, before, after, strict=True)
        ]
        (folder / FILE).write_text(json.dumps(rows), encoding="utf-8")

    def mean_rewards(self, model: str, lab: Lab) -> list[float | None]:
        """Mean reward of a model's answers to each prompt; None if no answer has a reward.

        Raises:
            RecipeError: A reward is not finite.
        """
        completions = lab.models.text_model(model).complete([self._request(*prompt, lab) for prompt in self.prompts])
        places, answers = list[int](), list[str]()
        for nth, completion in enumerate(completions):
            if isinstance(completion, Completion):
                places += [nth] * len(completion.answers)
                answers += [answer.text for answer in completion.answers]
        samples = answer_samples(self.owner, [self.prompts[nth][0] for nth in places], answers)
        rewards = total_rewards(f"{self.owner}.rewards", self.scorers, self.weights, samples, lab).rewards
        by_prompt: list[list[float]] = [[] for _ in self.prompts]
        for nth, reward in zip(places, rewards, strict=True):
            if reward is not None:
                by_prompt[nth].append(reward)
        return [sum(row) / len(row) if row else None for row in by_prompt]

    def _request(self, sample: Sample, messages: tuple[Message, ...], lab: Lab) -> TextRequest:
        if self.decoding.strategy != "sample":
            return TextRequest(messages, self.decoding)
        return TextRequest(messages, replace(self.decoding, seed=lab.seed_of(sample, "held-out rewards")))
