"""Detection of machine-generated text with calibrated thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from assay.components.scorers.language_model.machine_text import Binoculars, FastDetectGpt
from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.lab import Lab, Models
from assay.core.sample import Sample
from assay.core.score import Outcome, Score
from assay.stats.confidence.detection import FOLDS, FlaggingThreshold, detection, flagging_threshold, minimum_items
from assay.store.images import StoredImages

DetectorMethod: TypeAlias = Literal["fast-detectgpt", "binoculars"]
Detector: TypeAlias = FastDetectGpt | Binoculars
BATCH = 8
"""Texts per batch."""


@dataclass(frozen=True)
class DetectorResult:
    """Performance of a detector on texts of known origin."""

    auroc: Effect
    """Probability that a machine text ranks above a human text."""
    line: FlaggingThreshold | None
    """None if there are too few human texts for the requested false positive rate."""
    people: int
    """Decided human texts; `undecided` texts are too short or in another language."""
    machine: int
    undecided: int


def detector(method: DetectorMethod, model: str, writer: str) -> Detector:
    """Scorer of a method; `writer` is the sampling model of Fast-DetectGPT or the observer of Binoculars."""
    return FastDetectGpt(model, writer) if method == "fast-detectgpt" else Binoculars(model, writer)


def sign(scorer: Detector) -> int:
    """1 if higher values indicate machine text, else -1."""
    return 1 if scorer.scale.better == "lower" else -1


def score_texts(
    scorer: Detector,
    texts: Sequence[str],
    models: Models,
    progress: Callable[[int, int], None] = lambda count, total: None,
) -> list[Outcome]:
    """Score texts with a detector, in order.

    Raises:
        ModelError: A model cannot be loaded, or provides no token probabilities.
    """
    lab = Lab(0, models, StoredImages([]))
    outcomes: list[Outcome] = []
    for start in range(0, len(texts), BATCH):
        outcomes += scorer.score([Sample({"text": text}) for text in texts[start : start + BATCH]], lab)
        progress(len(outcomes), len(texts))
    return outcomes


def calibrated_threshold(
    scorer: Detector, people: Sequence[Outcome], rate: float, machine: Sequence[float] = ()
) -> FlaggingThreshold:
    """Calibrate the threshold for a false positive rate, on the scale where higher means machine text.

    Raises:
        UserError: There are too few decided human texts for the rate.
    """
    scores = [sign(scorer) * outcome.value for outcome in people if isinstance(outcome, Score)]
    minimum = minimum_texts(rate)
    if len(scores) < minimum:
        raise UserError(
            f"A threshold with a false positive rate of {100 * rate:g}% needs {minimum} decided human texts, "
            f"got {len(scores)}.",
            hint="Give more texts, or raise --false-positive-rate.",
        )
    return flagging_threshold(scores, rate, machine)


def minimum_texts(rate: float) -> int:
    """Number of human texts needed to calibrate and cross-validate a threshold."""
    return -(-minimum_items(rate) * FOLDS // (FOLDS - 1)) + 1


def evaluate_detector(
    scorer: Detector, people: Sequence[Outcome], machine: Sequence[Outcome], rate: float
) -> DetectorResult:
    """Evaluate the detector on paired human and machine texts; pairs with an undecided text are excluded.

    Raises:
        UserError: No pair is decided.
    """
    pairs = [
        (sign(scorer) * human.value, sign(scorer) * generated.value)
        for human, generated in zip(people, machine, strict=True)
        if isinstance(human, Score) and isinstance(generated, Score)
    ]
    undecided = sum(not isinstance(outcome, Score) for outcome in (*people, *machine))
    if not pairs:
        raise UserError("No pair of texts is decided: they are too short, or in another language.")
    human_scores, machine_scores = [score for score, _ in pairs], [score for _, score in pairs]
    enough = len(human_scores) >= minimum_texts(rate)
    threshold = flagging_threshold(human_scores, rate, machine_scores) if enough else None
    auroc = detection(machine_scores, human_scores, paired=True).auroc
    return DetectorResult(auroc, threshold, len(human_scores), len(machine_scores), undecided)
