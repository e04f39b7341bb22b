"""Hallucination detection: consistency of sampled answers, token uncertainty and groundedness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.scorers.language_model.entailment import BYS, By, Entailment, Pair, pair_entailments
from assay.components.scorers.reference.comparison import check_one_of, unanswered
from assay.core.completions import Answer, Completion, Continuations, Message, NotCompleted, TextRequest, TokenMoments
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.model_kinds import AnswerMomentsModel
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.aggregation import semantic_clusters, semantic_entropy
from assay.text.instructions.form import split_sentences

Measure: TypeAlias = Literal["agreement", "semantic-entropy", "discrete-entropy"]
Uncertainty: TypeAlias = Literal["mean", "max", "mean-entropy", "max-entropy"]
Entailments: TypeAlias = Mapping[Pair, Entailment | Unscored]
MOST = 200
"""Maximum number of sentences of a source, and of a text."""


@dataclass(frozen=True)
class Consistency:
    """Consistency of answers that a model samples for the same question: hallucinated content varies between samples.

    The question is asked `samples` times at `temperature`. "agreement" is the fraction, 0 to 1, in which the samples
    support the sentences of the given answer (SelfCheckGPT). "semantic-entropy" is the entropy in nats over clusters of
    answers with the same meaning, weighted by probability if the model gives it; "discrete-entropy" weights by number.
    All three are in the evidence, with `groups` and `answers`; `answer` is the first one of the largest cluster. A
    model that makes the same error in every sample is consistent: this score does not detect it.

    Two answers mean the same if each entails the other with `threshold` or more. With embeddings that is a cosine,
    which is high for a negation too; an NLI model is better, and a small language model is worse than either.

    Source: Manakul, Liusie and Gales 2023, "SelfCheckGPT", sections 5.1 (maximum over sentences, here of cosines), 5.4
    and 5.5; Farquhar et al. 2024. Difference: the question precedes both answers only for "nli" and "model".
    """

    model: str
    """Model that gave the answer."""
    by: By = "embedding"
    judge: str = "embedded:minilm"
    measure: Measure = "agreement"
    threshold: float = 0.75
    samples: int = 5
    temperature: float = 1.0
    max_tokens: int = 64
    instruction: str = "instruction"
    output: str = "output"
    system: str = ""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_one_of("Consistency.by", self.by, BYS)
        check_one_of("Consistency.measure", self.measure, get_args(Measure))
        if self.samples < 2:
            raise ValueError(f"Consistency.samples must be 2 or more, was {self.samples}.")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"Consistency.threshold must be above 0 and at most 1, was {self.threshold}.")
        _ = self._decoding(0)  # refuses a temperature or a length that is none

    @property
    def scale(self) -> Scale:
        """Fraction, or nats."""
        if self.measure == "agreement":
            return Scale(unit="share that agrees", low=0.0, high=1.0)
        return Scale(unit="nats", low=0.0, better="lower")

    def asks(self, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Return the requests of `score`, by model."""
        return {self.model: [self._request(sample, lab) for sample in samples if self._answer_text(sample)]}

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Outcomes; a blank answer is unscored.

        Raises:
            ModelError: As `Judge`, or `judge` is no model of the kind that `by` names.
            FieldError: A sample has no such text field.
        """
        complete = [sample for sample in samples if self._answer_text(sample)]
        completions = lab.models.text_model(self.model).complete([self._request(sample, lab) for sample in complete])
        sampled = {
            sample.id: self._sampled_answers(completion)
            for sample, completion in zip(complete, completions, strict=True)
        }
        pairs = [
            pair
            for sample in complete
            if not isinstance(answers := sampled[sample.id], Unscored)
            for pair in (*self._checks(sample, answers), *self._meanings(sample, answers))
        ]
        entailments = pair_entailments(pairs, self.by, self.judge, lab)
        return [self._outcome(sample, sampled.get(sample.id), entailments) for sample in samples]

    def _answer_text(self, sample: Sample) -> str:
        return sample.text(self.output).strip() if sample.text(self.instruction).strip() else ""

    def _decoding(self, seed: int) -> Decoding:
        return Decoding(
            "sample", temperature=self.temperature, answers=self.samples, max_tokens=self.max_tokens, seed=seed
        )

    def _request(self, sample: Sample, lab: Lab) -> TextRequest:
        before = (Message("system", self.system),) if self.system else ()
        messages = (*before, Message("user", sample.text(self.instruction)))
        return TextRequest(messages, self._decoding(lab.seed_of(sample, "consistency")), log_prob=True)

    def _sampled_answers(self, completion: Completion | NotCompleted) -> tuple[Answer, ...] | Unscored:
        if isinstance(completion, NotCompleted):
            return unanswered(self.model, completion)
        whole = tuple(answer for answer in completion.answers if answer.text.strip())
        return whole if len(whole) > 1 else Unscored("unparsed", "Fewer than two of the answers say anything.")

    def _checks(self, sample: Sample, answers: Sequence[Answer]) -> list[Pair]:
        """Pairs of each sampled answer (or its sentences, for embeddings) and each sentence of the given answer."""
        sentences = split_sentences(self._answer_text(sample))[:MOST]
        return [
            (premise, sentence) for sentence in sentences for answer in answers for premise in self._premises(answer)
        ]

    def _premises(self, answer: Answer) -> list[str]:
        text = answer.text.strip()
        return (split_sentences(text)[:MOST] or [text]) if self.by == "embedding" else [text]

    def _meanings(self, sample: Sample, answers: Sequence[Answer]) -> list[Pair]:
        texts = list(dict.fromkeys(self._statement(sample, answer) for answer in answers))
        return [(first, second) for first in texts for second in texts if first != second]

    def _statement(self, sample: Sample, answer: Answer) -> str:
        text = answer.text.strip()
        return text if self.by == "embedding" else f"{sample.text(self.instruction).strip()} {text}"

    def _outcome(
        self, sample: Sample, answers: tuple[Answer, ...] | Unscored | None, entailments: Entailments
    ) -> Outcome:
        if answers is None:
            return Unscored("not_applicable", "The question or the answer is empty.")
        if isinstance(answers, Unscored):
            return answers
        sentences = split_sentences(self._answer_text(sample))[:MOST]
        pairs = [*self._checks(sample, answers), *self._meanings(sample, answers)]
        if lack := next((entailment for pair in pairs if isinstance(entailment := entailments[pair], Unscored)), None):
            return lack
        if not sentences:
            return Unscored("not_applicable", "The answer has no words.")
        agreement = _mean(
            [
                max(_entailment_of(entailments, (premise, sentence)).agrees for premise in self._premises(answer))
                for sentence in sentences
                for answer in answers
            ]
        )
        texts = [self._statement(sample, answer) for answer in answers]

        def same(first: int, second: int) -> bool:
            ways = ((texts[first], texts[second]), (texts[second], texts[first]))
            return texts[first] == texts[second] or all(
                _entailment_of(entailments, way).entailed >= self.threshold for way in ways
            )

        groups = semantic_clusters(len(answers), same)
        likely = [
            answer.log_prob / answer.tokens for answer in answers if answer.log_prob is not None and answer.tokens
        ]
        discrete = semantic_entropy(groups)
        weighed = semantic_entropy(groups, likely) if len(likely) == len(answers) else discrete
        values = {"agreement": agreement, "semantic-entropy": weighed, "discrete-entropy": discrete}
        largest = max(groups, key=lambda group: (groups.count(group), -group))
        evidence = {**values, "groups": float(len(set(groups))), "answers": float(len(answers))}
        return Score(values[self.measure], "", evidence, answers[groups.index(largest)].text.strip())


@dataclass(frozen=True)
class TokenUncertainty:
    """Uncertainty of a model about the tokens of an answer, in nats per token; lower is more certain.

    "mean" is the mean negative log-probability of the tokens and "max" the maximum; "mean-entropy" and "max-entropy"
    are those of the entropy of the predicted distribution. All four are in the evidence, with `tokens`. It is the
    cheapest signal. It does not distinguish many wordings of one claim from many claims.

    Source: Manakul, Liusie and Gales 2023, section 5.6 (Avg and Max, of log-probability and of entropy).
    """

    model: str
    measure: Uncertainty = "mean"
    instruction: str = "instruction"
    output: str = "output"
    system: str = ""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="nats a token", low=0.0, better="lower")

    def __post_init__(self) -> None:
        check_one_of("TokenUncertainty.measure", self.measure, get_args(Uncertainty))

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Return an outcome for each sample.

        Raises:
            ModelError: The model gives no log-probabilities.
            FieldError: A sample lacks a text field.
        """
        model = lab.models.likelihood_model(self.model)
        if not isinstance(model, AnswerMomentsModel):
            raise ModelError(f"Model {self.model!r} gives no log-probabilities of tokens; an open model does.")
        indices = [
            nth for nth, sample in enumerate(samples) if sample.text(self.output).strip() and self._question(sample)
        ]
        before = (Message("system", self.system),) if self.system else ()
        requests = [
            Continuations(
                (*before, Message("user", self._question(samples[nth]))), (samples[nth].text(self.output).strip(),)
            )
            for nth in indices
        ]
        moments = dict(zip(indices, model.answer_moments(requests), strict=True))
        empty = Unscored("not_applicable", "The question or the answer is empty.")
        return [self._outcome(moments[nth]) if nth in moments else empty for nth in range(len(samples))]

    def _question(self, sample: Sample) -> str:
        return sample.text(self.instruction).strip()

    def _outcome(self, moments: tuple[TokenMoments, ...] | NotCompleted) -> Outcome:
        if isinstance(moments, NotCompleted):
            return unanswered(self.model, moments)
        (answer,) = moments
        doubts = [max(0.0, -value) for value in answer.log_probs]
        entropies = [max(0.0, -value) for value in answer.means[: len(doubts)]]
        values = {
            "mean": _mean(doubts),
            "max": max(doubts),
            "mean-entropy": _mean(entropies),
            "max-entropy": max(entropies),
        }
        return Score(values[self.measure], evidence={**values, "tokens": float(len(doubts))})


@dataclass(frozen=True)
class Groundedness:
    """Fraction of the claims of an answer that a source supports, 0 to 1; a claim is a sentence.

    A claim is supported if the source as a whole or one of its sentences entails it with `threshold` or more. With
    embeddings, a similar sentence is enough, which shows the same topic and not support. Evidence: `claims`,
    `supported`, `lowest`; the reason is the claim with the least support.

    Source: Laban et al. 2022, "SummaC", section 4.1 (maximum over sentences of the source, then the mean).
    """

    judge: str = "embedded:minilm"
    by: By = "embedding"
    threshold: float = 0.6
    source: str = "source"
    output: str = "output"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="share of claims supported", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        check_one_of("Groundedness.by", self.by, BYS)
        if not 0 < self.threshold <= 1:
            raise ValueError(f"Groundedness.threshold must be above 0 and at most 1, was {self.threshold}.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Return an outcome for each sample; unscored if the source has more than `MOST` sentences, or a text is empty.

        Raises:
            ModelError: `judge` is not of the kind that `by` names.
            FieldError: A sample lacks a text field.
        """
        by_sample = [self._pairs(sample) for sample in samples]
        pairs = [pair for entry in by_sample if not isinstance(entry, Unscored) for pair in entry]
        entailments = pair_entailments(pairs, self.by, self.judge, lab)
        return [entry if isinstance(entry, Unscored) else self._outcome(entry, entailments) for entry in by_sample]

    def _pairs(self, sample: Sample) -> list[Pair] | Unscored:
        source, claims = sample.text(self.source).strip(), split_sentences(sample.text(self.output))
        parts = split_sentences(source)
        if not parts or not claims:
            return Unscored("not_applicable", "The source or the answer has no words.")
        if len(parts) > MOST or len(claims) > MOST:
            long = max(len(parts), len(claims))
            return Unscored("not_applicable", f"There are {long:,} sentences; at most {MOST} are compared.")
        whole = [source] if self.by != "embedding" and len(parts) > 1 else []
        return [(premise, claim) for claim in claims for premise in (*parts, *whole)]

    def _outcome(self, pairs: Sequence[Pair], entailments: Entailments) -> Outcome:
        best: dict[str, float] = {}
        for premise, claim in pairs:
            entailment = entailments[premise, claim]
            if isinstance(entailment, Unscored):
                return entailment
            best[claim] = max(best.get(claim, 0.0), entailment.entailed)
        claims = [claim for claim, _ in dict.fromkeys((claim, 0) for _, claim in pairs)]
        supported = sum(best[claim] >= self.threshold for claim in claims)
        lowest = min(claims, key=best.__getitem__)
        evidence = {"claims": float(len(claims)), "supported": float(supported), "lowest": best[lowest]}
        return Score(supported / len(claims), f"supported least: {lowest!r}", evidence)


def _entailment_of(entailments: Entailments, pair: Pair) -> Entailment:
    entailment = entailments[pair]
    assert isinstance(entailment, Entailment), "callers check for unscored pairs first"
    return entailment


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
