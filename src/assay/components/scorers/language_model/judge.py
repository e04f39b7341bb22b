"""LLM-as-a-judge: grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.scorers.reference.comparison import unanswered
from assay.core.completions import (
    Completion,
    Continuations,
    Likelihood,
    Message,
    NotCompleted,
    TextRequest,
)
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale
from assay.text.answers.grades import Grades
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import By, Rated, Rubric, rating, rating_prompt, weighed_rating


@dataclass(frozen=True)
class Judge:
    """Grade of a text by a language model and criteria, as in G-Eval (Liu et al. 2023, section 2).

    With "answers" the judge writes the id of the sample and a grade, and several answers of `decoding` are averaged.
    With "likelihood" nothing is generated: the grade is the mean weighted by the probability of each grade, which small
    models need. The rating of AlpaGasus (Chen et al. 2024, section 2) is `low=0, step=0.5, dimension="accuracy"`, with
    a threshold of 4.5.

    A judge is not a ground truth: `assay judge` measures its agreement with people and its biases.
    """

    model: str
    criteria: str
    steps: str = ""
    """Evaluation steps for the prompt; none if empty."""
    dimension: str = ""
    low: float = 1.0
    high: float = 5.0
    step: float = 1.0
    by: By = "answers"
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=64))
    """Its seed is ignored, as each sample has its own."""
    output: str = "output"
    """Field of the text. The prompt also has the three fields below, if a sample has them."""
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"
    """Field of the earlier messages."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.by not in ("answers", "likelihood"):
            raise ValueError(f"Judge.by must be 'answers' or 'likelihood', was {self.by!r}.")
        _ = self._rubric  # refuses grades and criteria that are none

    @property
    def scale(self) -> Scale:
        """From the lowest to the highest grade."""
        return Scale("grade", self.low, self.high)

    def asks(self, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """What `score` would ask, by model; nothing where probabilities are compared."""
        return {self.model: [self._request(one, lab) for one in samples]} if self.by == "answers" else {}

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Grades; "unparsed" where an answer holds none, "failed" where there is no answer.

        Raises:
            ModelError: The budget is spent, or the service knows the key or the model not; answers are kept.
            FieldError: A sample has no text `output`, or its history is none.
        """
        if self.by == "likelihood":
            likely = lab.models.likelihood_model(self.model)
            words = self._rubric.grades.words
            found = likely.likelihoods([Continuations(self._prompt(one, lab), words) for one in samples])
            return [self._weighed(one) for one in found]
        answered = lab.models.text_model(self.model).complete([self._request(one, lab) for one in samples])
        return [self._read(sample, one, lab) for sample, one in zip(samples, answered, strict=True)]

    @property
    def _rubric(self) -> Rubric:
        return Rubric(self.criteria, self.steps, Grades(self.low, self.high, self.step), self.dimension)

    def _rated(self, sample: Sample) -> Rated:
        asked, given = (sample.text(name) if name in sample.fields else "" for name in (self.instruction, self.input))
        return Rated(sample.text(self.output), asked, given, history_messages(sample, self.history))

    def _prompt(self, sample: Sample, lab: Lab) -> tuple[Message, ...]:
        return rating_prompt(self._rubric, self._rated(sample), self.by, lab.seed)

    def _request(self, sample: Sample, lab: Lab) -> TextRequest:
        return TextRequest(self._prompt(sample, lab), replace(self.decoding, seed=lab.seed_of(sample, "judge")))

    def _read(self, sample: Sample, answered: Completion | NotCompleted, lab: Lab) -> Outcome:
        if isinstance(answered, NotCompleted):
            return unanswered(self.model, answered)
        texts = tuple(answer.text for answer in answered.answers)
        ends = tuple(answer.end for answer in answered.answers)
        return rating(self._rubric, self._rated(sample), texts, ends, lab.seed)

    def _weighed(self, found: tuple[Likelihood, ...] | NotCompleted) -> Outcome:
        return unanswered(self.model, found) if isinstance(found, NotCompleted) else weighed_rating(self._rubric, found)
