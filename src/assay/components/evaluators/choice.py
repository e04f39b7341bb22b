"""Does the trained model find the true answer of a question more likely than the false ones?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.core.completions import Continuations, Likelihood, Message, NotCompleted
from assay.core.errors import FieldError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import SHARE, Outcome, Scale, Score, Unscored
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
class Choice:
    """1 where a right answer is the one that the model finds most likely after the question, else 0: TruthfulQA's MC1.

    The question is what a user says, in the model's own chat template; each answer is what the assistant may say, and
    nothing is written. For samples with question, choice0, choice1, ... and answer: those of `Misconceptions`,
    `TruthfulQa`, `Mmlu` and `Questions`. The score's `answer` is the one that was taken; evidence
    `probability of the truth` is the share of the probability of all choices that the right ones hold, by the sum of
    log-probabilities: TruthfulQA's MC2. A question that is longer than the model's context is unscored.

    With "letter" the choices are shown under the question and their letters are compared; guessing is 1 over the
    number of choices with each. What a model finds likely is not what it would say.

    Source: Lin et al. 2022, section 3.2; `text/prompting/multiple_choice.py` names the lines of lm-evaluation-harness.
    We differ: a conversation, as the model was tuned on, and no solved examples before the question.
    """

    convention: Convention = "text"
    """What is compared: "text", the sum over an answer's tokens (the harness' acc); "text-normalized", the same a
    character (acc_norm); or "letter"."""
    system: str = ""
    """What the model is told before the question, as in its training."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit=SHARE, low=0.0, high=1.0)

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise ValueError(f"Choice.convention must be one of {', '.join(CONVENTIONS)}, was {self.convention!r}.")

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Outcomes.

        Raises:
            FieldError: A sample is no question with choices.
            ModelError: The model does not say how probable a text is, or has no chat template.
        """
        items = [_item(sample) for sample in holdout]
        found = lab.models.likelihood_model(artifact.path).likelihoods([self._asked(item) for item in items])
        return [self._outcome(item, one) for item, one in zip(items, found, strict=True)]

    def _asked(self, item: MultipleChoiceItem) -> Continuations:
        before = (Message("system", self.system),) if self.system else ()
        said = mmlu_prompt(item) if self.convention == "letter" else item.question
        return continuations(item, (*before, Message("user", said)), self.convention)

    def _outcome(self, item: MultipleChoiceItem, found: tuple[Likelihood, ...] | NotCompleted) -> Outcome:
        if isinstance(found, NotCompleted):
            return Unscored("not_applicable" if found.lack == "context" else "failed", f"{found.lack}: {found.reason}")
        if not all(math.isfinite(one.log_prob) for one in found):
            return Unscored("failed", "The model gives an answer no finite probability.")
        taken = choose(scores(item, found, self.convention))
        evidence = {"probability of the truth": mass_on_right(item, found)}
        return Score(float(taken in item.right), evidence=evidence, answer=item.choices[taken])


def _item(sample: Sample) -> MultipleChoiceItem:
    if "choice0" not in sample.fields:
        raise FieldError(
            f"Choice needs questions with choices, had a sample with {', '.join(sample.fields)}.",
            hint="Sources of such questions: Misconceptions, TruthfulQa, Mmlu and Questions.",
        )
    try:
        return item_of(sample)
    except ValueError as error:
        raise FieldError(f"Choice cannot read a question: {error}") from error
