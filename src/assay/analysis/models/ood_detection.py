"""Out-of-distribution (OOD) detection, calibration and selective prediction of the trained classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from assay.analysis.finished_run import FinishedRun
from assay.components.evaluators.ood_scores import LOGIT, METHODS
from assay.core.effect import Effect
from assay.core.lab import hash_seed
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.core.score import Score
from assay.pipeline.stages.ood import HOLDOUT_PART, THRESHOLD_PART, ood_inputs
from assay.pipeline.stages.parts import parts
from assay.pipeline.stages.stage import StageId, StageKind
from assay.stats.confidence.calibration import Calibration, calibration, temperature
from assay.stats.confidence.detection import detection, threshold
from assay.stats.confidence.risk_coverage import AbstentionCurve, abstention_curve
from assay.stats.inference.intervals import wilson
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, read_results

Floats = npt.NDArray[np.float64]
MAX_EXAMPLES = 8
"""Per OOD set."""


@dataclass(frozen=True)
class OodSet:
    """Detection of one set of OOD inputs by one OOD score."""

    name: str
    method: str
    """max-logit, energy, nearest or vim."""
    auroc: Effect
    fpr: Effect
    """False-positive rate at 95% true-positive rate on the in-distribution test items."""
    accepted: Effect
    """Accept rate at the threshold set on real validation samples."""


@dataclass(frozen=True)
class OodInput:
    """One OOD input with the classifier's answer."""

    set: str
    png: bytes
    label: str
    """True content."""
    answer: str
    confidence: float
    accepted: bool
    """Whether its score reaches the threshold."""


@dataclass(frozen=True)
class OodDetection:
    """OOD detection by one model."""

    model: str
    """Arm, or "reference"."""
    method: str
    """OOD score that is thresholded."""
    threshold: float
    """Inputs with at least this score are accepted: 95% of the real validation samples."""
    sets: tuple[OodSet, ...]
    id_accepted: Effect
    """Accept rate of the in-distribution held-out items."""
    accuracy: Effect
    """Accuracy on all held-out items."""
    accuracy_accepted: Effect | None
    """Accuracy on the accepted held-out items; None if none is accepted."""
    mean_confidence: Mapping[str, float] = field(default_factory=dict)
    """Mean confidence by set, with the in-distribution items under "known"."""
    examples: tuple[OodInput, ...] = ()


@dataclass(frozen=True)
class ModelCalibration:
    """Calibration before and after temperature scaling, and the risk-coverage curve of selective prediction."""

    model: str
    temperature: float
    """Fitted on real validation samples."""
    before: Calibration
    after: Calibration
    """Both on the held-out items."""
    risk_coverage: AbstentionCurve
    """Selective prediction after temperature scaling."""


class ModelScores:
    """Scores of one model for validation, held-out and OOD inputs, by part."""

    def __init__(self, samples: Sequence[Sample], rows: Sequence[ResultRow]) -> None:
        self.by_part: dict[str, list[tuple[Sample, Score]]] = {}
        for sample, row in zip(samples, rows, strict=True):
            if isinstance(row.outcome, Score):
                self.by_part.setdefault(sample.text("part"), []).append((sample, row.outcome))

    def column(self, part: str, name: str) -> Floats:
        """Return one number of the evidence for every sample of a part."""
        return np.array([score.evidence[name] for _, score in self.by_part.get(part, [])])

    def correct(self, part: str) -> npt.NDArray[np.bool_]:
        """Return whether the answer to each sample of a part is correct."""
        return np.array([score.answer == sample.text("label") for sample, score in self.by_part.get(part, [])])

    def logits(self, part: str, labels: Sequence[str]) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Return logits (n, labels) and target indices (n,) of the samples whose label the model has."""
        targets, rows = list[int](), list[list[float]]()
        for sample, score in self.by_part.get(part, []):
            if (label := sample.text("label")) in labels:
                targets.append(labels.index(label))
                rows.append([score.evidence[LOGIT + name] for name in labels])
        return np.array(rows), np.array(targets, dtype=np.int64)

    def labels(self) -> list[str]:
        """Return the model's labels, in the order of its logits."""
        _, first = next(iter(self.by_part.values()))[0]
        return [name.removeprefix(LOGIT) for name in first.evidence if name.startswith(LOGIT)]


def model_scores(run: FinishedRun) -> dict[str, ModelScores]:
    """Read the scores of stage `ood_scores` by model; empty without that stage."""
    if "ood_scores" not in run.stages:
        return {}
    ood = {name: planned.folder for name, planned in run.stages.items() if planned.stage.id.kind is StageKind.OOD}
    samples = ood_inputs(run.stages["calibrate"].folder, run.stages["holdout"].folder, ood)
    by_model = {}
    for path in parts(run.stages["ood_scores"].folder):
        rows = read_results(path)
        by_model[rows[0].arm] = ModelScores(samples, rows)
    return by_model


def ood_detection(run: FinishedRun) -> tuple[OodDetection, ...]:
    """Evaluate OOD detection of every model with OOD scores."""
    proof = run.recipe.prove
    if proof is None or proof.ood_scores is None:
        return ()
    method = str(getattr(proof.ood_scores, "method", METHODS[0]))
    names = {str(StageId(StageKind.OOD, nth=nth)): name for nth, name in enumerate(names_of(proof.ood))}
    return tuple(_detection(run, model, scores, method, names) for model, scores in run.once(model_scores).items())


def names_of(sources: Sequence[Source]) -> list[str]:
    """Name each OOD set after what its source reads; equal names are numbered."""
    names = [", ".join(getattr(source, "only", ())) or type(source).__name__ for source in sources]
    return [
        name if names.count(name) == 1 else f"{name} {1 + names[:nth].count(name)}" for nth, name in enumerate(names)
    ]


def _detection(
    run: FinishedRun, model: str, scores: ModelScores, method: str, names: Mapping[str, str]
) -> OodDetection:
    limit = threshold(scores.column(THRESHOLD_PART, method))
    accepted = scores.column(HOLDOUT_PART, method) >= limit
    correct = scores.correct(HOLDOUT_PART)
    passed = int(accepted.sum())
    sets = {HOLDOUT_PART: HOLDOUT_PART, **names}
    return OodDetection(
        model=model,
        method=method,
        threshold=limit,
        sets=tuple(_set(scores, part, name, ood_method) for part, name in names.items() for ood_method in METHODS),
        id_accepted=wilson(passed, len(accepted)),
        accuracy=wilson(int(correct.sum()), len(correct)),
        accuracy_accepted=wilson(int((correct & accepted).sum()), passed) if passed else None,
        mean_confidence={name: float(scores.column(part, "confidence").mean()) for part, name in sets.items()},
        examples=_examples(run, scores, names, method, limit),
    )


def _set(scores: ModelScores, part: str, name: str, method: str) -> OodSet:
    ood = scores.column(part, method)
    detected = detection(scores.column(HOLDOUT_PART, method), ood)
    limit = threshold(scores.column(THRESHOLD_PART, method))
    return OodSet(name, method, detected.auroc, detected.fpr, wilson(int((ood >= limit).sum()), len(ood)))


def _examples(
    run: FinishedRun, scores: ModelScores, names: Mapping[str, str], method: str, limit: float
) -> tuple[OodInput, ...]:
    chosen: list[tuple[str, Sample, Score]] = []
    for part, name in names.items():
        pairs = sorted(scores.by_part.get(part, []), key=lambda pair: hash_seed("shown", pair[0].id))[:MAX_EXAMPLES]
        chosen += [(name, sample, score) for sample, score in pairs]
    stored = StoredImages([run.stages[part].folder for part in names])
    encoded = stored.encoded([sample.image() for _, sample, _ in chosen])
    return tuple(
        OodInput(
            set=name,
            png=png,
            label=sample.text("label"),
            answer=score.answer,
            confidence=score.evidence["confidence"],
            accepted=score.evidence[method] >= limit,
        )
        for (name, sample, score), png in zip(chosen, encoded, strict=True)
    )


def model_calibration(run: FinishedRun) -> tuple[ModelCalibration, ...]:
    """Measure each model's calibration on the held-out items; the temperature is fitted on validation samples."""
    calibrations = []
    for model, scores in run.once(model_scores).items():
        labels = scores.labels()
        validation, (logits, targets) = scores.logits(THRESHOLD_PART, labels), scores.logits(HOLDOUT_PART, labels)
        if not len(validation[1]) or not len(targets):
            continue
        fitted = temperature(*validation)
        # Temperature scaling can change the order of confidences, so the curve uses the scaled ones.
        probabilities = softmax(logits / fitted, axis=1)
        curve = abstention_curve(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets)
        before, after = calibration(logits, targets), calibration(logits / fitted, targets)
        calibrations.append(ModelCalibration(model, fitted, before, after, curve))
    return tuple(calibrations)
