"""Hallucination detection: consistency of sampled answers, token uncertainty and groundedness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.scorers.language_model.entailment import BYS, By, Entailment, Pair, read_pairs
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
Readings: TypeAlias = Mapping[Pair, Entailment | Unscored]
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
        return {self.model: [self._request(one, lab) for one in samples if self._given(one)]}

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Outcomes; a blank answer is unscored.

        Raises:
            ModelError: As `Judge`, or `judge` is no model of the kind that `by` names.
            FieldError: A sample has no such text field.
        """
        asked = [one for one in samples if self._given(one)]
        answered = lab.models.text_model(self.model).complete([self._request(one, lab) for one in asked])
        drawn = {one.id: self._drawn(found) for one, found in zip(asked, answered, strict=True)}
        pairs = [
            pair
            for one in asked
            if not isinstance(own := drawn[one.id], Unscored)
            for pair in (*self._checks(one, own), *self._meanings(one, own))
        ]
        read = read_pairs(pairs, self.by, self.judge, lab)
        return [self._one(one, drawn.get(one.id), read) for one in samples]

    def _given(self, sample: Sample) -> str:
        return sample.text(self.output).strip() if sample.text(self.instruction).strip() else ""

    def _decoding(self, seed: int) -> Decoding:
        return Decoding(
            "sample", temperature=self.temperature, answers=self.samples, max_tokens=self.max_tokens, seed=seed
        )

    def _request(self, sample: Sample, lab: Lab) -> TextRequest:
        before = (Message("system", self.system),) if self.system else ()
        asked = (*before, Message("user", sample.text(self.instruction)))
        return TextRequest(asked, self._decoding(lab.seed_of(sample, "consistency")), log_prob=True)

    def _drawn(self, found: Completion | NotCompleted) -> tuple[Answer, ...] | Unscored:
        if isinstance(found, NotCompleted):
            return unanswered(self.model, found)
        whole = tuple(answer for answer in found.answers if answer.text.strip())
        return whole if len(whole) > 1 else Unscored("unparsed", "Fewer than two of the answers say anything.")

    def _checks(self, sample: Sample, drawn: Sequence[Answer]) -> list[Pair]:
        """Pairs of each sampled answer (or its sentences, for embeddings) and each sentence of the given answer."""
        given = split_sentences(self._given(sample))[:MOST]
        return [(premise, said) for said in given for one in drawn for premise in self._premises(one)]

    def _premises(self, answer: Answer) -> list[str]:
        text = answer.text.strip()
        return (split_sentences(text)[:MOST] or [text]) if self.by == "embedding" else [text]

    def _meanings(self, sample: Sample, drawn: Sequence[Answer]) -> list[Pair]:
        texts = list(dict.fromkeys(self._meant(sample, one) for one in drawn))
        return [(one, other) for one in texts for other in texts if one != other]

    def _meant(self, sample: Sample, answer: Answer) -> str:
        text = answer.text.strip()
        return text if self.by == "embedding" else f"{sample.text(self.instruction).strip()} {text}"

    def _one(self, sample: Sample, drawn: tuple[Answer, ...] | Unscored | None, read: Readings) -> Outcome:
        if drawn is None:
            return Unscored("not_applicable", "The question or the answer is empty.")
        if isinstance(drawn, Unscored):
            return drawn
        said = split_sentences(self._given(sample))[:MOST]
        pairs = [*self._checks(sample, drawn), *self._meanings(sample, drawn)]
        if lack := next((one for pair in pairs if isinstance(one := read[pair], Unscored)), None):
            return lack
        if not said:
            return Unscored("not_applicable", "The answer has no words.")
        agreement = _mean(
            [
                max(_read(read, (premise, one)).agrees for premise in self._premises(answer))
                for one in said
                for answer in drawn
            ]
        )
        texts = [self._meant(sample, answer) for answer in drawn]

        def same(one: int, other: int) -> bool:
            ways = ((texts[one], texts[other]), (texts[other], texts[one]))
            return texts[one] == texts[other] or all(_read(read, way).entailed >= self.threshold for way in ways)

        groups = semantic_clusters(len(drawn), same)
        likely = [answer.log_prob / answer.tokens for answer in drawn if answer.log_prob is not None and answer.tokens]
        discrete = semantic_entropy(groups)
        weighed = semantic_entropy(groups, likely) if len(likely) == len(drawn) else discrete
        values = {"agreement": agreement, "semantic-entropy": weighed, "discrete-entropy": discrete}
        largest = max(groups, key=lambda group: (groups.count(group), -group))
        evidence = {**values, "groups": float(len(set(groups))), "answers": float(len(drawn))}
        return Score(values[self.measure], "", evidence, drawn[groups.index(largest)].text.strip())


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
        given = [nth for nth, one in enumerate(samples) if one.text(self.output).strip() and self._asked(one)]
        before = (Message("system", self.system),) if self.system else ()
        asked = [
            Continuations(
                (*before, Message("user", self._asked(samples[nth]))), (samples[nth].text(self.output).strip(),)
            )
            for nth in given
        ]
        found = dict(zip(given, model.answer_moments(asked), strict=True))
        empty = Unscored("not_applicable", "The question or the answer is empty.")
        return [self._one(found[nth]) if nth in found else empty for nth in range(len(samples))]

    def _asked(self, sample: Sample) -> str:
        return sample.text(self.instruction).strip()

    def _one(self, found: tuple[TokenMoments, ...] | NotCompleted) -> Outcome:
        if isinstance(found, NotCompleted):
            return unanswered(self.model, found)
        (of,) = found
        doubts = [max(0.0, -value) for value in of.log_probs]
        entropies = [max(0.0, -value) for value in of.means[: len(doubts)]]
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
        pairs = [self._pairs(one) for one in samples]
        asked = [pair for own in pairs if not isinstance(own, Unscored) for pair in own]
        read = read_pairs(asked, self.by, self.judge, lab)
        return [own if isinstance(own, Unscored) else self._one(own, read) for own in pairs]

    def _pairs(self, sample: Sample) -> list[Pair] | Unscored:
        source, said = sample.text(self.source).strip(), split_sentences(sample.text(self.output))
        parts = split_sentences(source)
        if not parts or not said:
            return Unscored("not_applicable", "The source or the answer has no words.")
        if len(parts) > MOST or len(said) > MOST:
            long = max(len(parts), len(said))
            return Unscored("not_applicable", f"There are {long:,} sentences; at most {MOST} are compared.")
        whole = [source] if self.by != "embedding" and len(parts) > 1 else []
        return [(premise, claim) for claim in said for premise in (*parts, *whole)]

    def _one(self, pairs: Sequence[Pair], read: Readings) -> Outcome:
        best: dict[str, float] = {}
        for premise, claim in pairs:
            one = read[premise, claim]
            if isinstance(one, Unscored):
                return one
            best[claim] = max(best.get(claim, 0.0), one.entailed)
        claims = [claim for claim, _ in dict.fromkeys((claim, 0) for _, claim in pairs)]
        supported = sum(best[claim] >= self.threshold for claim in claims)
        lowest = min(claims, key=best.__getitem__)
        evidence = {"claims": float(len(claims)), "supported": float(supported), "lowest": best[lowest]}
        return Score(supported / len(claims), f"supported least: {lowest!r}", evidence)


def _read(read: Readings, pair: Pair) -> Entailment:
    found = read[pair]
    assert isinstance(found, Entailment), "callers check for unscored pairs first"
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
