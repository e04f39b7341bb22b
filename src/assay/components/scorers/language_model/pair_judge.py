"""Scorer PairJudge: pairwise comparison of two answers by an LLM judge in both orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.scorers.language_model.judging import likelihood_outcomes, written_outcomes
from assay.components.scorers.reference.comparison import check_one_of
from assay.core.completions import TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.judgments import PairJudgment
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import By, JudgeQuestion, Pair, pair_judgments, pair_questions


@dataclass(frozen=True)
class PairJudge:
    """Pairwise comparison: 1 if `first` wins in both orders, 0 if `second` does, 1/2 for ties and inconsistent orders.

    Each pair is judged in both orders because of position bias (Wang et al. 2023, "Large language models are not fair
    evaluators"; Zheng et al. 2023, section 3.4). Equal answers are a tie without a call; two empty ones are not scored.
    Evidence: `as given` and `swapped`, the score of `first` in each order; `conflict`, 1 if the orders disagree; with
    "likelihood" also `balanced`, the mean probability of `first`.

    Validate a judge before use: `assay judge` measures its agreement with humans and its biases.
    """

    model: str
    by: By = "answers"
    """Parse the written letter, or compare the likelihoods of the letters, which suits small models."""
    ties: bool = False
    """Whether the judge may answer with a tie."""
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=64))
    """One answer; its seed is ignored: every pair has its own seed."""
    first: str = "output_a"
    """Field of the scored answer; `second` is the field of its opponent."""
    second: str = "output_b"
    instruction: str = "instruction"
    input: str = "input"
    """Optional field with the input of the instruction; `history` is the optional conversation before it."""
    history: str = "history"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("wins", 0.0, 1.0)

    def __post_init__(self) -> None:
        check_one_of("PairJudge.by", self.by, ("answers", "likelihood"))
        if self.decoding.answers != 1:
            raise ValueError(f"PairJudge.decoding must give one answer, was {self.decoding.answers}.")

    def asks(self, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Requests of `score`, by model; none for likelihoods."""
        if self.by == "likelihood":
            return {}
        questions = [(sample, self._questions(sample, lab)) for sample in self._differing(samples)]
        return {self.model: [request for sample, both in questions for request in self._requests(sample, both, lab)]}

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Compare each pair in both orders; "unparsed" if an answer cannot be parsed, "failed" without an answer.

        Raises:
            ModelError: The budget is spent, or the service rejects the key or the model; answers are kept.
            FieldError: A sample lacks a text field, or its history is not valid.
        """
        differing = self._differing(samples)
        both = [self._questions(sample, lab) for sample in differing]
        questions = [question for pair in both for question in pair]
        if self.by == "likelihood":
            outcomes = likelihood_outcomes(self.model, questions, lab.models)
        else:
            pairs = zip(differing, both, strict=True)
            requests = [request for sample, pair in pairs for request in self._requests(sample, pair, lab)]
            outcomes = written_outcomes(self.model, questions, requests, lab.models)
        verdicts = iter(pair_judgments(outcomes))
        different = {id(sample) for sample in differing}
        return [_outcome(next(verdicts)) if id(sample) in different else self._same(sample) for sample in samples]

    def _same(self, sample: Sample) -> Outcome:
        return SAME if sample.text(self.first).strip() else NEITHER

    def _differing(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample for sample in samples if sample.text(self.first).strip() != sample.text(self.second).strip()]

    def _questions(self, sample: Sample, lab: Lab) -> tuple[JudgeQuestion, JudgeQuestion]:
        """Questions in both orders."""
        input_text = sample.text(self.input) if self.input in sample.fields else ""
        before = history_messages(sample, self.history)
        pair = Pair(
            sample.text(self.instruction), sample.text(self.first), sample.text(self.second), input_text, before
        )
        return pair_questions(pair, self.by, ties=self.ties, seed=lab.seed)

    def _requests(self, sample: Sample, both: Sequence[JudgeQuestion], lab: Lab) -> list[TextRequest]:
        return [
            TextRequest(question.prompt, replace(self.decoding, seed=lab.seed_of(sample, order)))
            for question, order in zip(both, ("as given", "swapped"), strict=True)
        ]


SAME = Score(0.5, "both answers are the same", {"same": 1.0})
NEITHER = Unscored("not_applicable", "Both answers are empty.")


def _outcome(verdict: PairJudgment) -> Outcome:
    if verdict.preference is None or verdict.orders is None:
        unscored = [outcome for outcome in (verdict.as_given, verdict.swapped) if isinstance(outcome, Unscored)]
        return min(unscored, key=lambda outcome: outcome.cause)  # "failed", which is retried, before "unparsed"
    evidence = {
        "as given": verdict.orders[0],
        "swapped": verdict.orders[1],
        "conflict": float(verdict.inconsistent),
        **({} if verdict.balanced is None else {"balanced": verdict.balanced}),
    }
    return Score(verdict.preference, "the orders disagree" if verdict.inconsistent else "", evidence)
