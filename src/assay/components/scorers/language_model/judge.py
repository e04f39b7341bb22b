"""Scorer Judge: grade of a text by an LLM judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.scorers.language_model.judging import likelihood_outcomes, written_outcomes
from assay.core.completions import TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale
from assay.text.answers.judgments import Grades
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import By, JudgeQuestion, Rated, Rubric, rating_question


@dataclass(frozen=True)
class Judge:
    """Grade of a text by an LLM judge with a rubric, as in G-Eval (Liu et al. 2023, section 2).

    With "answers" the judge writes the id of the sample and a grade; several answers of `decoding` are averaged. With
    "likelihood" the score is the expected grade under the probabilities of the grades, which suits small models.
    AlpaGasus (Chen et al. 2024, section 2) uses `low=0, step=0.5, dimension="accuracy"` and keeps grades from 4.5.

    Validate a judge before use: `assay judge` measures its agreement with humans and its biases.
    """

    model: str
    criteria: str
    steps: str = ""
    """Evaluation steps; omitted from the prompt if empty."""
    dimension: str = ""
    low: float = 1.0
    high: float = 5.0
    step: float = 1.0
    by: By = "answers"
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=64))
    """Its seed is ignored: every sample has its own seed."""
    output: str = "output"
    """Field of the text; the three fields below are included if present."""
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"
    """Conversation before the instruction."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.by not in ("answers", "likelihood"):
            raise ValueError(f"Judge.by must be 'answers' or 'likelihood', was {self.by!r}.")
        _ = self._rubric  # validates the scale and the criteria

    @property
    def scale(self) -> Scale:
        """Range of the grades."""
        return Scale("grade", self.low, self.high)

    def asks(self, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Requests of `score`, by model; none for likelihoods."""
        if self.by == "likelihood":
            return {}
        return {self.model: [self._request(sample, self._question(sample, lab), lab) for sample in samples]}

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Grade each sample; "unparsed" if no grade can be parsed, "failed" if there is no answer.

        Raises:
            ModelError: The budget is spent, or the service rejects the key or the model; answers are kept.
            FieldError: A sample has no text field `output`, or its history is not valid.
        """
        questions = [self._question(sample, lab) for sample in samples]
        if self.by == "likelihood":
            return likelihood_outcomes(self.model, questions, lab.models)
        requests = [self._request(sample, question, lab) for sample, question in zip(samples, questions, strict=True)]
        return written_outcomes(self.model, questions, requests, lab.models)

    @property
    def _rubric(self) -> Rubric:
        return Rubric(self.criteria, self.steps, Grades(self.low, self.high, self.step), self.dimension)

    def _question(self, sample: Sample, lab: Lab) -> JudgeQuestion:
        instruction, input_text = (
            sample.text(name) if name in sample.fields else "" for name in (self.instruction, self.input)
        )
        rated = Rated(sample.text(self.output), instruction, input_text, history_messages(sample, self.history))
        return rating_question(self._rubric, rated, self.by, lab.seed)

    def _request(self, sample: Sample, question: JudgeQuestion, lab: Lab) -> TextRequest:
        return TextRequest(question.prompt, replace(self.decoding, seed=lab.seed_of(sample, "judge")))
