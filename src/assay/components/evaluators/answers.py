"""How good are a model's own answers to held-out tasks, by any scorer of texts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.evaluators.outcomes import not_completed
from assay.core.completions import Answer, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ContractError
from assay.core.lab import Lab
from assay.core.roles import Artifact, Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.core.scored import scored
from assay.text.instructions.dialogues import conversation


@dataclass(frozen=True)
class Answers:
    """Lets a model answer each held-out task and scores the answer: a checker gives accuracy, a judge a grade.

    The scorer sees the task's own fields, such as `answer`, with the model's words in `text`. Its scale is this one's,
    and the words are the score's `answer`, so that other measures and judges can look at them; one that was cut at
    `decoding.max_tokens` is taken as it stands, and evidence `whole` is 0 then. Evidence holds the answer's `tokens`
    too, and the scorer's own. What the scorer could not read stays unscored, and says why: a failure is never a number.
    A proof counts it as not right, as it does where `Accuracy` has no number.
    """

    by: Scorer
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=128))
    """Greedy, so that answers hang on the model alone."""
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"
    """What was said before, where a sample has it."""
    system: str = ""
    """What the model is told before the task, as in its training."""

    version: ClassVar[int] = 1
    answers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.decoding.answers != 1:
            raise ValueError(f"Answers.decoding must give one answer, was {self.decoding.answers}.")
        if getattr(self.by, "whole", False):
            raise ValueError("Answers.by must say of each answer what hangs on no other one; this one compares them.")

    @property
    def scale(self) -> Scale:
        """The scorer's."""
        return self.by.scale

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        given = lab.models.text_model(artifact.path).complete([self._request(sample, lab) for sample in holdout])
        answers = [one if isinstance(one, NotCompleted) else one.answers[0] for one in given]
        said = [
            Sample({**sample.fields, "text": one.text.strip()}, parents=(sample.id,), made_by="Answers")
            for sample, one in zip(holdout, answers, strict=True)
            if isinstance(one, Answer)
        ]
        found = scored(self.by, said, lab)
        if len(found) != len(said):
            raise ContractError(f"{type(self.by).__name__} was given {len(said)} answers and said {len(found)} things.")
        judged = iter(found)
        return [_outcome(one, next(judged)) if isinstance(one, Answer) else not_completed(one) for one in answers]

    def _request(self, sample: Sample, lab: Lab) -> TextRequest:
        asked = conversation(
            sample, instruction=self.instruction, input=self.input, history=self.history, system=self.system
        )
        return TextRequest(asked, replace(self.decoding, seed=lab.seed_of(sample, "answer")))


def _outcome(answer: Answer, scored: Outcome) -> Outcome:
    if not isinstance(scored, Score):
        return scored
    evidence = {**scored.evidence, "whole": float(answer.end == "stop")}
    if answer.tokens is not None:
        evidence["tokens"] = float(answer.tokens)
    return replace(scored, evidence=evidence, answer=answer.text.strip())
