"""Multiple-choice accuracy by likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.evaluators.outcomes import not_completed
from assay.core.completions import Continuations, Likelihood, Message, NotCompleted
from assay.core.errors import FieldError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import FRACTION_CORRECT_UNIT, Outcome, Scale, Score, Unscored
from assay.text.prompting.multiple_choice import (
    CONVENTIONS,
    Convention,
    MultipleChoiceItem,
    choose,
    continuations,
    item_of,
    mass_on_right,
    mmlu_prompt,
    scores,
)


@dataclass(frozen=True)
class MultipleChoice:
    """1 if the choice with the highest likelihood is a correct one, else 0: MC1 of TruthfulQA.

    The question is a user message in the model's own chat template, and each choice is a possible assistant message;
    nothing is generated. Samples need the fields question, choice0, choice1, ... and answer, as `Misconceptions`,
    `TruthfulQa`, `Mmlu` and `Questions` give them. The `answer` of the score is the selected choice. Evidence
    `probability of the truth` is the normalized probability of the correct choices, from summed log-probabilities: MC2
    of TruthfulQA. A question that exceeds the context of the model is unscored.

    With "letter" the choices are listed under the question and their letters are compared; the chance level is then 1
    over the number of choices. The most likely choice need not be what the model would generate.

    Source: Lin et al. 2022, section 3.2; `text/prompting/multiple_choice.py` cites the lines of lm-evaluation-harness.
    Differences: chat format, as in fine-tuning, and zero-shot.
    """

    convention: Convention = "text"
    """What is compared: "text", the log-probability summed over the tokens of a choice (`acc` of the harness);
    "text-normalized", the same per character (`acc_norm`); or "letter".
    """
    system: str = ""
    """System message, as in training."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit=FRACTION_CORRECT_UNIT, low=0.0, high=1.0)

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise ValueError(
                f"MultipleChoice.convention must be one of {', '.join(CONVENTIONS)}, was {self.convention!r}."
            )

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Return an outcome for each question.

        Raises:
            FieldError: A sample is not a question with choices.
            ModelError: The model gives no log-probabilities, or has no chat template.
        """
        items = [_item(sample) for sample in holdout]
        likelihoods = lab.models.likelihood_model(artifact.path).likelihoods([self._request(item) for item in items])
        return [self._outcome(item, likelihood) for item, likelihood in zip(items, likelihoods, strict=True)]

    def _request(self, item: MultipleChoiceItem) -> Continuations:
        system = (Message("system", self.system),) if self.system else ()
        question = mmlu_prompt(item) if self.convention == "letter" else item.question
        return continuations(item, (*system, Message("user", question)), self.convention)

    def _outcome(self, item: MultipleChoiceItem, likelihoods: tuple[Likelihood, ...] | NotCompleted) -> Outcome:
        if isinstance(likelihoods, NotCompleted):
            return not_completed(likelihoods)
        if not all(math.isfinite(likelihood.log_prob) for likelihood in likelihoods):
            return Unscored("failed", "A log-probability of the model is not finite.")
        selected = choose(scores(item, likelihoods, self.convention))
        evidence = {"probability of the truth": mass_on_right(item, likelihoods)}
        return Score(float(selected in item.right), evidence=evidence, answer=item.choices[selected])


def _item(sample: Sample) -> MultipleChoiceItem:
    if "choice0" not in sample.fields:
        raise FieldError(
            f"MultipleChoice needs questions with choices, but a sample has the fields {', '.join(sample.fields)}.",
            hint="Sources of such questions: Misconceptions, TruthfulQa, Mmlu and Questions.",
            sample=sample.id,
            names=tuple(sample.fields),
        )
    try:
        return item_of(sample)
    except ValueError as error:
        reason = str(error)
        raise FieldError(f"MultipleChoice cannot read a question: {reason}", sample=sample.id, reason=reason) from error
