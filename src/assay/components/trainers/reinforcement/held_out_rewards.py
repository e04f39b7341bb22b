"""Mean reward on held-out prompts before and after training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.components.trainers.held_out import prompt_digest
from assay.components.trainers.reinforcement.rewards import answer_samples, total_rewards
from assay.core.completions import Completion, Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample

FILE = "held-out-rewards.json"
"""Rows of id, prompt, before, after, and the number of sampled answers: 0 if the answer is the greedy one."""


@dataclass(frozen=True)
class HeldOutRewards:
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
