"""LLM-as-a-judge: pairwise comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.scorers.reference.comparison import check_one_of, unanswered
from assay.core.completions import Completion, Continuations, Likelihood, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.verdicts import PairJudgment, other_order
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.judge_prompts import LETTERS, By, Pair, choice, pair_prompt, weighed_choice


@dataclass(frozen=True)
class PairJudge:
    """1 if a judge prefers `first` in both orders, 0 if it prefers `second`, 1/2 for a tie or position inconsistency.

    Each pair is judged in both orders because of position bias (Wang et al. 2023, "Large language models are not fair
    evaluators"; Zheng et al. 2023, section 3.4). Equal answers are a tie without a request; two empty answers are
    unscored.

    Evidence: `as given` and `swapped`, the result for `first` in each order; `conflict`, 1 if they disagree; with
    "likelihood" also `balanced`, the mean probability of `first`.

    A judge is not a ground truth: `assay judge` measures its agreement with people and its biases.
    """

    model: str
    by: By = "answers"
    """Generate the letter of the better answer, or compare the probabilities of the letters, which small models need.
    """
    ties: bool = False
    """Whether the judge may declare a tie."""
    decoding: Decoding = field(default_factory=lambda: Decoding(max_tokens=64))
    """Must give one answer. Its seed is ignored, as each pair has its own."""
    first: str = "output_a"
    """Field of the answer that is scored; `second` is the field of the other one."""
    second: str = "output_b"
    instruction: str = "instruction"
    input: str = "input"
    """Shown if a sample has it, as is `history`, the earlier messages."""
    history: str = "history"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("wins", 0.0, 1.0)

    def __post_init__(self) -> None:
        check_one_of("PairJudge.by", self.by, ("answers", "likelihood"))
        if self.decoding.answers != 1:
            raise ValueError(f"PairJudge.decoding must give one answer, was {self.decoding.answers}.")

    def asks(self, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """What `score` would ask, by model; nothing where probabilities are compared."""
        if self.by == "likelihood":
            return {}
        return {self.model: [request for sample in self._differing(samples) for request in self._requests(sample, lab)]}

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Verdicts; "unparsed" where an order's answer names none, "failed" where there is no answer.

        Raises:
            ModelError: The budget is spent, or the service knows the key or the model not; answers are kept.
            FieldError: A sample lacks a text field, or its history is none.
        """
        asked = self._differing(samples)
        found = self._compared(asked, lab) if self.by == "likelihood" else self._written(asked, lab)
        verdicts = iter(found)
        different = {id(sample) for sample in asked}
        return [_outcome(next(verdicts)) if id(sample) in different else self._same(sample) for sample in samples]

    def _same(self, sample: Sample) -> Outcome:
        return SAME if sample.text(self.first).strip() else NEITHER

    def _differing(self, samples: Sequence[Sample]) -> list[Sample]:
        return [one for one in samples if one.text(self.first).strip() != one.text(self.second).strip()]

    def _pair(self, sample: Sample) -> Pair:
        given = sample.text(self.input) if self.input in sample.fields else ""
        before = history_messages(sample, self.history)
        return Pair(sample.text(self.instruction), sample.text(self.first), sample.text(self.second), given, before)

    def _both(self, sample: Sample) -> tuple[Pair, Pair]:
        pair = self._pair(sample)
        return pair, pair.swapped

    def _compared(self, samples: Sequence[Sample], lab: Lab) -> list[PairJudgment]:
        letters = LETTERS if self.ties else LETTERS[:2]
        prompts = [
            pair_prompt(pair, self.by, ties=self.ties, seed=lab.seed)
            for sample in samples
            for pair in self._both(sample)
        ]
        found = lab.models.likelihood_model(self.model).likelihoods([Continuations(one, letters) for one in prompts])
        return _verdicts([self._weighed(one) for one in found])

    def _written(self, samples: Sequence[Sample], lab: Lab) -> list[PairJudgment]:
        requests = [request for sample in samples for request in self._requests(sample, lab)]
        answered = lab.models.text_model(self.model).complete(requests)
        shown = [pair for sample in samples for pair in self._both(sample)]
        return _verdicts([self._read(pair, one, lab) for pair, one in zip(shown, answered, strict=True)])

    def _requests(self, sample: Sample, lab: Lab) -> list[TextRequest]:
        return [
            TextRequest(
                pair_prompt(pair, self.by, ties=self.ties, seed=lab.seed),
                replace(self.decoding, seed=lab.seed_of(sample, order)),
            )
            for pair, order in zip(self._both(sample), ("as given", "swapped"), strict=True)
        ]

    def _read(self, pair: Pair, answered: Completion | NotCompleted, lab: Lab) -> Outcome:
        if isinstance(answered, NotCompleted):
            return unanswered(self.model, answered)
        answer = answered.answers[0]
        return choice(pair, [answer.text], [answer.end], ties=self.ties, seed=lab.seed)

    def _weighed(self, found: tuple[Likelihood, ...] | NotCompleted) -> Outcome:
        return unanswered(self.model, found) if isinstance(found, NotCompleted) else weighed_choice(found)


SAME = Score(0.5, "both answers are the same", {"same": 1.0})
NEITHER = Unscored("not_applicable", "Both answers are empty.")


def _verdicts(outcomes: Sequence[Outcome]) -> list[PairJudgment]:
    """Two a pair, as given and swapped."""
    return [PairJudgment(one, other_order(two)) for one, two in zip(outcomes[::2], outcomes[1::2], strict=True)]


def _outcome(verdict: PairJudgment) -> Outcome:
    if verdict.worth is None or verdict.orders is None:
        lacking = [one for one in (verdict.as_given, verdict.swapped) if isinstance(one, Unscored)]
        return min(lacking, key=lambda one: one.cause)  # "failed", which is tried again, before "unparsed"
    evidence = {
        "as given": verdict.orders[0],
        "swapped": verdict.orders[1],
        "conflict": float(verdict.conflict),
        **({} if verdict.balanced is None else {"balanced": verdict.balanced}),
    }
    return Score(verdict.worth, "the orders disagree" if verdict.conflict else "", evidence)
