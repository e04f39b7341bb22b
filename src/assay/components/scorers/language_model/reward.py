"""Reward by a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.scorers.reference.comparison import unanswered
from assay.core.completions import Message, NotCompleted
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.instructions.dialogues import conversation


@dataclass(frozen=True)
class Reward:
    """Reward of an answer to a task or a dialogue by a reward model; without unit or bounds.

    The difference between the rewards of two answers to one task is the log-odds of the preference; rewards for
    different tasks are not comparable. The model is an output of the trainer `RewardModel`, or any transformers model
    for sequence classification with one output and a chat template. A blank answer, and one that exceeds the context
    together with its task, is unscored.

    Source: Ouyang et al. 2022, "Training language models to follow instructions with human feedback", section 3.5.
    """

    model: str
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"
    answer: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="reward")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Rewards.

        Raises:
            ModelError: There is no such model, or its chat template refuses a conversation.
            FieldError: A sample has no answer or no instruction, or its history is none.
        """
        answers = [sample.text(self.answer) for sample in samples]
        conversations = [
            (*self._task(sample), Message("assistant", text))
            for sample, text in zip(samples, answers, strict=True)
            if text.strip()
        ]
        rewards = iter(lab.models.reward_model(self.model).rewards(conversations))
        return [self._outcome(next(rewards)) if text.strip() else BLANK for text in answers]

    def _task(self, sample: Sample) -> tuple[Message, ...]:
        return conversation(sample, instruction=self.instruction, input=self.input, history=self.history)

    def _outcome(self, reward: float | NotCompleted) -> Outcome:
        return unanswered(self.model, reward) if isinstance(reward, NotCompleted) else Score(reward)


BLANK = Unscored("not_applicable", "The answer is blank.")
