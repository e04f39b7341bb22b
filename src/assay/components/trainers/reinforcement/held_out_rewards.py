"""What answers to held-out prompts earn, by the model that a training started from and by the one that it left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.components.trainers.preference.held_out import prompt_of
from assay.components.trainers.reinforcement.rewards import answer_samples, rewarded
from assay.core.completions import Completion, Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample

FILE = "held-out-rewards.json"
"""Rows of id, prompt, before, after, and how many answers were sampled: 0 where the answer is the greedy one."""


@dataclass(frozen=True)
class Earning:
    """What is asked, how it is answered, and what an answer is rewarded."""

    owner: str
    """The trainer."""
    scorers: Mapping[str, Scorer]
    weights: Mapping[str, float]
    """Of scorers; 1 where one is not here."""
    asked: Sequence[tuple[Sample, tuple[Message, ...]]]
    decoding: Decoding
    """Its seed is not looked at: each prompt has its own, which both models draw from, so that they differ by what was
    learned and little else."""

    def note(self, start: str, folder: Path, lab: Lab) -> None:
        """Writes what the models `start` and `folder / "model"` earn, where anything is asked.

        Raises:
            RecipeError: A reward is not finite.
        """
        if not self.asked:
            return
        before, after = (self.of(model, lab) for model in (start, str(folder / "model")))
        drawn = self.decoding.answers if self.decoding.strategy == "sample" else 0
        rows = [
            {"id": one.id, "prompt": prompt_of(one), "before": old, "after": new, "sampled": drawn}
            for (one, _), old, new in zip(self.asked, before, after, strict=True)
        ]
        (folder / FILE).write_text(json.dumps(rows), encoding="utf-8")

    def of(self, model: str, lab: Lab) -> list[float | None]:
        """The mean reward of a model's answers to each prompt; None where it has none that can be rewarded.

        Raises:
            RecipeError: A reward is not finite.
        """
        found = lab.models.text_model(model).complete([self._request(*one, lab) for one in self.asked])
        places, answers = list[int](), list[str]()
        for nth, one in enumerate(found):
            if isinstance(one, Completion):
                places += [nth] * len(one.answers)
                answers += [answer.text for answer in one.answers]
        samples = answer_samples(self.owner, [self.asked[nth][0] for nth in places], answers)
        rewards = rewarded(f"{self.owner}.rewards", self.scorers, self.weights, samples, lab).rewards
        earned: list[list[float]] = [[] for _ in self.asked]
        for nth, reward in zip(places, rewards, strict=True):
            if reward is not None:
                earned[nth].append(reward)
        return [sum(row) / len(row) if row else None for row in earned]

    def _request(self, sample: Sample, asked: tuple[Message, ...], lab: Lab) -> TextRequest:
        if self.decoding.strategy != "sample":
            return TextRequest(asked, self.decoding)
        return TextRequest(asked, replace(self.decoding, seed=lab.seed_of(sample, "held-out rewards")))
