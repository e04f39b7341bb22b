"""What sampled answers are rewarded: the weighted sum of what scorers say, or what a reward model says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.trainers.reinforcement.grpo_rewards import check_scorer, look, shown
from assay.core.completions import Message, NotCompleted
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import ChecksPreconditions, Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.instructions.dialogues import conversation

ANSWER = "text"
"""The field that an answer stands in."""


@dataclass(frozen=True)
class ByRewardModel:
    """The reward that a reward model gives an answer, as the end of the conversation that was asked."""

    model: str
    system: str = ""

    scale: ClassVar[Scale] = Scale("reward")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Rewards; "failed" where a conversation is longer than the model's context.

        Raises:
            RecipeError: A reward is not finite.
        """
        asked = [(*conversation(one, system=self.system), Message("assistant", one.text(ANSWER))) for one in samples]
        return [self._one(found) for found in lab.models.reward_model(self.model).rewards(asked)]

    def _one(self, found: float | NotCompleted) -> Outcome:
        if isinstance(found, NotCompleted):
            return Unscored("failed", f"{found.lack}: {found.reason}")
        if not math.isfinite(found):
            raise RecipeError(f"Reward model {self.model!r} gave the reward {found}.")
        return Score(found)


@dataclass(frozen=True)
class Rewarded:
    """What became of some answers, in their order."""

    rewards: tuple[float | None, ...]
    """None for one of which a scorer failed."""
    unread: int
    """Times that a scorer found nothing to read in an answer, which got the lowest value of its scale."""
    reason: str = ""
    """Why the first that failed did."""


def answer_samples(owner: str, prompts: Sequence[Sample], answers: Sequence[str]) -> list[Sample]:
    """Each answer as a sample to be scored: the fields of its prompt, and the answer in `text`."""
    return [
        Sample({**prompt.fields, ANSWER: answer.strip()}, parents=(prompt.id,), made_by=owner, nth=nth)
        for nth, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
    ]


def rewarded(
    where: str, scorers: Mapping[str, Scorer], weights: Mapping[str, float], samples: Sequence[Sample], lab: Lab
) -> Rewarded:
    """The weighted sum of what the scorers say of each answer, as `look` reads them.

    Raises:
        RecipeError: As `look`, or a sum is not finite.
    """
    totals: list[float | None] = [0.0] * len(samples)
    unread, reason = 0, ""
    for name, scorer in scorers.items():
        looked, weight = look(f"{where}.{name}", scorer, samples, lab), weights.get(name, 1.0)
        pairs = zip(totals, looked.values, strict=True)
        totals = [None if old is None or new is None else old + weight * new for old, new in pairs]
        unread += looked.unread
        if looked.causes:
            reason = reason or f"{name}: {looked.causes[0]}"
    if any(one is not None and not math.isfinite(one) for one in totals):
        raise RecipeError(f"{where} add up to a reward that is not finite.", hint="Smaller weights may help.")
    return Rewarded(tuple(totals), unread, reason)


def watched(where: str, scorers: Mapping[str, Scorer], samples: Sequence[Sample], lab: Lab) -> dict[str, float]:
    """The mean of what each scorer says of the answers that it does not fail on; nothing where it fails on all.

    On the scorer's own scale: what is watched is drawn as it is, whichever way is better.

    Raises:
        RecipeError: As `look`.
    """
    found = {}
    for name, scorer in scorers.items():
        values = [one for one in look(f"{where}.{name}", scorer, samples, lab).values if one is not None]
        if values:
            found[name] = shown(scorer, values)
    return found


def check_scorers(where: str, scorers: Mapping[str, Scorer], lab: Lab) -> None:
    """Looks, before anything is trained, whether each can say how good an answer is, and opens its models.

    Raises:
        RecipeError: One cannot.
        UserError: Whatever of this kind a scorer raises when it is opened.
    """
    for name, scorer in scorers.items():
        check_scorer(f"{where}.{name}", scorer)
        if isinstance(scorer, ChecksPreconditions):
            scorer.check((), lab)
        scorer.score((), lab)


def check_weights(where: str, scorers: Mapping[str, Scorer], weights: Mapping[str, float]) -> None:
    """Refuses weights that are of no scorer, or are no use.

    Raises:
        ValueError: One is.
    """
    for name, weight in weights.items():
        if name not in scorers:
            raise ValueError(f"{where} must be of {', '.join(scorers) or 'scorers'}, had {name!r}.")
        if not math.isfinite(weight) or weight == 0:
            raise ValueError(f"{where} must be finite and not 0, was {weight:g} for {name!r}.")
