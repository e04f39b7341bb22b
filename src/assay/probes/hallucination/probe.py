"""Hallucination probe: uncertainty scores against correctness on common misconceptions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.scorers.language_model.consistency import Consistency, TokenUncertainty
from assay.core.completions import Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.lab import Lab, Models
from assay.core.model_kinds import AnswerMomentsModel
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.models.remote.services import is_remote
from assay.pipeline.progress import Reporter, SilentReporter
from assay.stats.confidence.detection import detection
from assay.stats.confidence.risk_coverage import RiskCoverage, risk_coverage
from assay.stats.inference.intervals import wilson
from assay.store.images import StoredImages
from assay.text.answers.choices import LETTERS

BATCH = 10
"""Questions per batch."""
CHOSEN = "choice probability"
"""Confidence of multiple choice: normalized probability of the chosen side (true or false answers)."""
SCORES: Mapping[str, str] = {
    "agreement": "agreement with sampled answers",
    "semantic-entropy": "low semantic entropy of sampled answers, weighted by probability",
    "discrete-entropy": "low semantic entropy of sampled answers, by cluster size",
    "mean": "high mean token log-probability",
    "max": "high minimum token log-probability",
    "mean-entropy": "low mean token entropy",
    "max-entropy": "low maximum token entropy",
}
"""Uncertainty scores by name, with the condition of high confidence."""


@dataclass(frozen=True)
class HallucinationSetup:
    """Settings of the hallucination probe."""

    model: str
    encoder: str = "embedded:minilm"
    """Sentence encoder that finds the nearest reference answer."""
    consistency: Consistency | None = None
    """Scorer that samples and compares answers; default `Consistency`."""
    max_tokens: int = 48
    system: str = "Answer in one short sentence."
    seed: int = 0

    @property
    def sampling(self) -> Consistency:
        """The consistency scorer."""
        if self.consistency is not None:
            return self.consistency
        return Consistency(self.model, max_tokens=self.max_tokens, system=self.system)


@dataclass(frozen=True)
class ProbedQuestion:
    """A question with the answer, its correctness and its uncertainty scores."""

    question: str
    answer: str
    """The answer; "" if it failed, with the reason in `lack`."""
    right: bool | None
    """Whether the nearest reference answer is a true one; None without an answer."""
    nearest: str = ""
    """The nearest reference answer."""
    margin: float = 0.0
    """Cosine similarity of the nearest true answer minus that of the nearest false one."""
    confidence: Mapping[str, float] = field(default_factory=dict)
    """Confidence by score name; higher is more confident."""
    other: str = ""
    """The most frequent meaning of sampled answers."""
    lack: str = ""


@dataclass(frozen=True)
class UncertaintyScore:
    """Performance of one uncertainty score."""

    name: str
    description: str
    auroc: Effect | None
    """AUROC of confidence for correctness; None if all answers are correct or all wrong."""
    curve: RiskCoverage


@dataclass(frozen=True)
class HallucinationResult:
    """Result of the hallucination probe."""

    setup: HallucinationSetup
    items: tuple[ProbedQuestion, ...]
    right: Effect
    """Rate of answers nearest to a true reference."""
    scores: tuple[UncertaintyScore, ...]
    chosen: Effect | None
    """Rate of questions whose most probable choice is true; None without likelihoods."""
    choices: UncertaintyScore | None


def sample_questions(items: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """Random sample of `limit` questions, in their original order."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[nth] for nth in sorted(random.Random(seed).sample(range(len(items)), limit))]


def probe(
    items: Sequence[Sample], setup: HallucinationSetup, models: Models, reporter: Reporter | None = None
) -> HallucinationResult:
    """Ask every question, and compute risk-coverage curves of selective prediction.

    `items` have the fields question, choice0, choice1, ... and answer (letters of true choices): `TruthfulQa`,
    `Misconceptions`.

    Source: Lin et al. 2022, section 3.2: an answer is true if it is more similar to a true reference than to a false
    one. They use BLEURT, ROUGE and BLEU; here sentence embeddings are used.

    Raises:
        UserError: There are no answers to compare.
        ModelError: A model cannot be loaded or called.
    """
    progress = reporter or SilentReporter()
    lab = Lab(setup.seed, models, StoredImages([]))
    answers = _answers(items, setup, models)
    probed = [_compared(item, text, setup, models) for item, text in zip(items, answers, strict=True)]
    answered = [nth for nth, item in enumerate(probed) if item.right is not None]
    if not answered:
        lack = next((item.lack for item in probed if item.lack), "there are no questions")
        raise UserError(f"{setup.model} gave no answers to compare: {lack}.")
    progress.begin("answers scored", len(answered), 0)
    for start in range(0, len(answered), BATCH):
        part = answered[start : start + BATCH]
        samples = [Sample({"instruction": probed[nth].question, "output": probed[nth].answer}) for nth in part]
        for nth, confidence, other in zip(part, *_confidences(samples, setup, lab), strict=True):
            probed[nth] = replace(probed[nth], confidence=confidence, other=other)
        progress.advance(start + len(part), len(answered))
    complete = [probed[nth] for nth in answered]
    right = wilson(sum(bool(item.right) for item in complete), len(complete))
    chosen, choices = _chosen(items, setup, lab)
    return HallucinationResult(setup, tuple(probed), right, _scores(complete, setup.seed), chosen, choices)


def _answers(items: Sequence[Sample], setup: HallucinationSetup, models: Models) -> list[str | NotCompleted]:
    before = (Message("system", setup.system),) if setup.system else ()
    decoding = Decoding(max_tokens=setup.max_tokens)
    requests = [TextRequest((*before, Message("user", item.text("question"))), decoding) for item in items]
    completions = models.text_model(setup.model).complete(requests)
    return [
        completion.answers[0].text.strip() if isinstance(completion, Completion) else completion
        for completion in completions
    ]


def _compared(item: Sample, text: str | NotCompleted, setup: HallucinationSetup, models: Models) -> ProbedQuestion:
    """Correctness of an answer by the nearest reference answer."""
    question = item.text("question")
    if isinstance(text, NotCompleted) or not text:
        return ProbedQuestion(
            question, "", None, lack=text.reason if isinstance(text, NotCompleted) else "the answer is empty"
        )
    true, false = _references(item)
    rows = models.embedder(setup.encoder).embed([text, *true, *false]).astype(np.float64)
    cosines = rows[1:] @ rows[0]
    best_true, best_false = cosines[: len(true)].max(), cosines[len(true) :].max()
    nearest = [*true, *false][int(cosines.argmax())]
    return ProbedQuestion(question, text, bool(best_true > best_false), nearest, float(best_true - best_false))


def _references(item: Sample) -> tuple[list[str], list[str]]:
    """True and false reference answers.

    Raises:
        UserError: One of them is missing.
    """
    letters = {part.strip() for part in item.text("answer").split(",")}
    choices = {
        letter: item.text(name)
        for letter, name in zip(LETTERS, (f"choice{nth}" for nth in range(len(LETTERS))), strict=True)
        if name in item.fields
    }
    true = [text for letter, text in choices.items() if letter in letters]
    false = [text for letter, text in choices.items() if letter not in letters]
    if not true or not false:
        raise UserError(f"The question {item.text('question')!r} needs both true and false answers.")
    return true, false


def _confidences(
    samples: Sequence[Sample], setup: HallucinationSetup, lab: Lab
) -> tuple[list[dict[str, float]], list[str]]:
    """Confidence of each answer by score, and the most frequent meaning of its sampled answers."""
    consistency = setup.sampling.score(samples, lab)
    uncertainty: Sequence[Outcome] = [Unscored("not_applicable", "")] * len(samples)
    if not is_remote(setup.model) and isinstance(lab.models.likelihood_model(setup.model), AnswerMomentsModel):
        uncertainty = TokenUncertainty(setup.model, system=setup.system).score(samples, lab)
    confidences, other = [], []
    for sampled, tokens in zip(consistency, uncertainty, strict=True):
        confidence = {}
        if isinstance(sampled, Score):
            evidence = sampled.evidence
            confidence = {name: evidence[name] * (1 if name == "agreement" else -1) for name in list(SCORES)[:3]}
        if isinstance(tokens, Score):
            confidence |= {name: -tokens.evidence[name] for name in list(SCORES)[3:]}
        confidences.append(confidence)
        other.append(sampled.answer if isinstance(sampled, Score) else "")
    return confidences, other


def _scores(items: Sequence[ProbedQuestion], seed: int) -> tuple[UncertaintyScore, ...]:
    scores = []
    for name, description in SCORES.items():
        if scored := [item for item in items if name in item.confidence]:
            confidence, right = [item.confidence[name] for item in scored], [bool(item.right) for item in scored]
            scores.append(_score(name, description, confidence, right, seed))
    return tuple(scores)


def _score(
    name: str, description: str, confidence: Sequence[float], right: Sequence[bool], seed: int
) -> UncertaintyScore:
    correct = [value for value, is_right in zip(confidence, right, strict=True) if is_right]
    wrong = [value for value, is_right in zip(confidence, right, strict=True) if not is_right]
    auroc = detection(correct, wrong).auroc if correct and wrong else None
    return UncertaintyScore(
        name, description, auroc, risk_coverage(confidence, np.asarray(right, dtype=np.float64), seed=seed)
    )


def _chosen(
    items: Sequence[Sample], setup: HallucinationSetup, lab: Lab
) -> tuple[Effect | None, UncertaintyScore | None]:
    """Accuracy and confidence of multiple choice by likelihood, if available."""
    if is_remote(setup.model):
        return None, None
    outcomes = MultipleChoice(system=setup.system).evaluate(Artifact(setup.model, "", ""), items, lab)
    scores = [outcome for outcome in outcomes if isinstance(outcome, Score)]
    if not scores:
        return None, None
    right = [bool(outcome.value) for outcome in scores]
    probabilities = [outcome.evidence["probability of the truth"] for outcome in scores]
    confidence = [max(probability, 1 - probability) for probability in probabilities]
    description = "high probability of the chosen side"
    return wilson(sum(right), len(right)), _score(CHOSEN, description, confidence, right, setup.seed)
