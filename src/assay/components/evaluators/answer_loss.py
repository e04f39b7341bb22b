"""Loss of reference answers, and generated answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.evaluators.outcomes import not_completed
from assay.core.completions import Completion, Continuations, Likelihood, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.instructions.dialogues import conversation


@dataclass(frozen=True)
class AnswerLoss:
    """Mean cross-entropy of the reference answer of a held-out task, in nats per token, given the task as a chat.

    Lower is better. The end-of-turn token is not counted. The answer that the model generates is the `answer` of the
    score, so that other measures and judges can use it; if it was truncated at `decoding.max_tokens`, evidence `whole`
    is 0. Evidence also has the `tokens` of the reference. A task with a blank instruction or answer, or one that
    exceeds the context of the model, is unscored. Losses of models with different tokenizers are not comparable.
    """

    instruction: str = "instruction"
    input: str = "input"
    """Field of the input, if a sample has it."""
    output: str = "output"
    """Field of the reference answer."""
    system: str = ""
    """System message, as in training."""
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=128))
    """Decoding of the generated answers; greedy by default, so that they depend only on the model."""
    history: str = "history"
    """Field of the earlier messages, if a sample has it."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="nats a token", low=0.0, better="lower")
    answers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.decoding.answers != 1:
            raise ValueError(f"AnswerLoss.decoding must give one answer, was {self.decoding.answers}.")

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        answerable = [sample for sample in holdout if self._unscored(sample) is None]
        prompts = [self._prompt(sample) for sample in answerable]
        references = [sample.text(self.output).strip() for sample in answerable]
        likelihoods = lab.models.likelihood_model(artifact.path).likelihoods(
            [Continuations(prompt, (text,)) for prompt, text in zip(prompts, references, strict=True)]
        )
        completions = lab.models.text_model(artifact.path).complete(
            [
                TextRequest(prompt, replace(self.decoding, seed=lab.seed_of(sample, "answer")))
                for prompt, sample in zip(prompts, answerable, strict=True)
            ]
        )
        scored = (_outcome(*pair) for pair in zip(likelihoods, completions, strict=True))
        return [self._unscored(sample) or next(scored) for sample in holdout]

    def _prompt(self, sample: Sample) -> tuple[Message, ...]:
        return conversation(
            sample, instruction=self.instruction, input=self.input, history=self.history, system=self.system
        )

    def _unscored(self, sample: Sample) -> Unscored | None:
        if not sample.text(self.output).strip():
            return NO_ANSWER
        return None if sample.text(self.instruction).strip() else NO_INSTRUCTION


NO_ANSWER = Unscored("not_applicable", "The task has no answer to be surprised by.")
NO_INSTRUCTION = Unscored("not_applicable", "The task has a blank instruction.")


def _outcome(likelihood: tuple[Likelihood, ...] | NotCompleted, completion: Completion | NotCompleted) -> Outcome:
    if isinstance(likelihood, NotCompleted):
        return not_completed(likelihood)
    if isinstance(completion, NotCompleted):
        return not_completed(completion)
    answer = completion.answers[0]
    loss = max(0.0, -likelihood[0].log_prob / likelihood[0].tokens)
    evidence = {"tokens": float(likelihood[0].tokens), "whole": float(answer.end == "stop")}
    return Score(loss, evidence=evidence, answer=answer.text.strip())
