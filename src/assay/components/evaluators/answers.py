"""Score of generated answers to held-out tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.evaluators.outcomes import not_completed
from assay.core.completions import Answer, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ContractError
from assay.core.lab import Lab
from assay.core.roles import Artifact, Scorer, compares_samples
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.core.scoring import score_isolated
from assay.text.instructions.dialogues import conversation


@dataclass(frozen=True)
class Answers:
    """Generate an answer to each held-out task and score it with a text scorer, such as a verifier or a judge.

    The scorer sees the fields of the task, such as `answer`, with the generated answer as `text`. The scale is that of
    the scorer, and the text is the `answer` of the score, so that other measures and judges can use it. An answer
    truncated at `decoding.max_tokens` is scored as it is; evidence `whole` is then 0. Evidence also has the number of
    `tokens`, and that of the scorer. What the scorer cannot score stays unscored, with its reason; a proof counts it as
    incorrect, as it does for `Accuracy`.
    """

    by: Scorer
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=128))
    """Greedy by default, so that answers depend only on the model."""
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"
    """Field of the earlier messages, if a sample has it."""
    system: str = ""
    """System message, as in training."""

    version: ClassVar[int] = 1
    answers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.decoding.answers != 1:
            raise ValueError(f"Answers.decoding must give one answer, was {self.decoding.answers}.")
        if compares_samples(self.by):
            raise ValueError(
                "Answers.by must score each answer independently, but this scorer compares samples with each other."
            )

    @property
    def scale(self) -> Scale:
        """Scale of the scorer."""
        return self.by.scale

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        completions = lab.models.text_model(artifact.path).complete([self._request(sample, lab) for sample in holdout])
        answers = [
            completion if isinstance(completion, NotCompleted) else completion.answers[0] for completion in completions
        ]
        answered = [
            Sample({**sample.fields, "text": answer.text.strip()}, parents=(sample.id,), made_by="Answers")
            for sample, answer in zip(holdout, answers, strict=True)
            if isinstance(answer, Answer)
        ]
        outcomes = score_isolated(self.by, answered, lab)
        if len(outcomes) != len(answered):
            raise ContractError(
                f"{type(self.by).__name__} returned {len(outcomes)} outcomes for {len(answered)} answers."
            )
        remaining = iter(outcomes)
        return [
            _outcome(answer, next(remaining)) if isinstance(answer, Answer) else not_completed(answer)
            for answer in answers
        ]

    def _request(self, sample: Sample, lab: Lab) -> TextRequest:
        prompt = conversation(
            sample, instruction=self.instruction, input=self.input, history=self.history, system=self.system
        )
        return TextRequest(prompt, replace(self.decoding, seed=lab.seed_of(sample, "answer")))


def _outcome(answer: Answer, outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Score):
        return outcome
    evidence = {**outcome.evidence, "whole": float(answer.end == "stop")}
    if answer.tokens is not None:
        evidence["tokens"] = float(answer.tokens)
    return replace(outcome, evidence=evidence, answer=answer.text.strip())
