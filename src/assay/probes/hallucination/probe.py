"""Hallucination probe: uncertainty scores against correctness on common misconceptions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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

PART = 10
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


def picked(items: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
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
    written = _written(items, setup, models)
    found = [_judged(item, text, setup, models) for item, text in zip(items, written, strict=True)]
    known = [nth for nth, item in enumerate(found) if item.right is not None]
    if not known:
        lack = next((item.lack for item in found if item.lack), "there are no questions")
        raise UserError(f"{setup.model} gave no answers to compare: {lack}.")
    progress.begin("answers scored", len(known), 0)
    for start in range(0, len(known), PART):
        part = known[start : start + PART]
        samples = [Sample({"instruction": found[nth].question, "output": found[nth].answer}) for nth in part]
        for nth, confidence, other in zip(part, *_confidences(samples, setup, lab), strict=True):
            item = found[nth]
            found[nth] = ProbedQuestion(
                item.question, item.answer, item.right, item.nearest, item.margin, confidence, other
            )
        progress.advance(start + len(part), len(known))
    whole = [found[nth] for nth in known]
    right = wilson(sum(bool(item.right) for item in whole), len(whole))
    chosen, choices = _chosen(items, setup, lab)
    return HallucinationResult(setup, tuple(found), right, _scores(whole, setup.seed), chosen, choices)


def _written(items: Sequence[Sample], setup: HallucinationSetup, models: Models) -> list[str | NotCompleted]:
    before = (Message("system", setup.system),) if setup.system else ()
    decoding = Decoding(max_tokens=setup.max_tokens)
    asked = [TextRequest((*before, Message("user", item.text("question"))), decoding) for item in items]
    answered = models.text_model(setup.model).complete(asked)
    return [one.answers[0].text.strip() if isinstance(one, Completion) else one for one in answered]


def _judged(item: Sample, text: str | NotCompleted, setup: HallucinationSetup, models: Models) -> ProbedQuestion:
    question = item.text("question")
    if isinstance(text, NotCompleted) or not text:
        return ProbedQuestion(
            question, "", None, lack=text.reason if isinstance(text, NotCompleted) else "the answer is empty"
        )
    true, false = _sides(item)
    rows = models.embedder(setup.encoder).embed([text, *true, *false]).astype(np.float64)
    cosines = rows[1:] @ rows[0]
    best_true, best_false = cosines[: len(true)].max(), cosines[len(true) :].max()
    nearest = [*true, *false][int(cosines.argmax())]
    return ProbedQuestion(question, text, bool(best_true > best_false), nearest, float(best_true - best_false))


def _sides(item: Sample) -> tuple[list[str], list[str]]:
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
    sampling = setup.sampling.score(samples, lab)
    words: Sequence[Outcome] = [Unscored("not_applicable", "")] * len(samples)
    if not is_remote(setup.model) and isinstance(lab.models.likelihood_model(setup.model), AnswerMomentsModel):
        words = TokenUncertainty(setup.model, system=setup.system).score(samples, lab)
    found, other = [], []
    for one, two in zip(sampling, words, strict=True):
        confidence = {}
        if isinstance(one, Score):
            confidence = {name: one.evidence[name] * (1 if name == "agreement" else -1) for name in list(SCORES)[:3]}
        if isinstance(two, Score):
            confidence |= {name: -two.evidence[name] for name in list(SCORES)[3:]}
        found.append(confidence)
        other.append(one.answer if isinstance(one, Score) else "")
    return found, other


def _scores(items: Sequence[ProbedQuestion], seed: int) -> tuple[UncertaintyScore, ...]:
    found = []
    for name, description in SCORES.items():
        own = [item for item in items if name in item.confidence]
        if own:
            found.append(
                _score(
                    name, description, [item.confidence[name] for item in own], [bool(item.right) for item in own], seed
                )
            )
    return tuple(found)


def _score(
    name: str, description: str, confidence: Sequence[float], right: Sequence[bool], seed: int
) -> UncertaintyScore:
    good = [value for value, one in zip(confidence, right, strict=True) if one]
    bad = [value for value, one in zip(confidence, right, strict=True) if not one]
    auroc = detection(good, bad).auroc if good and bad else None
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
    known = [one for one in outcomes if isinstance(one, Score)]
    if not known:
        return None, None
    right = [bool(one.value) for one in known]
    shares = [one.evidence["probability of the truth"] for one in known]
    confidence = [max(share, 1 - share) for share in shares]
    description = "high probability of the chosen side"
    return wilson(sum(right), len(right)), _score(CHOSEN, description, confidence, right, setup.seed)
