"""Reference classifier and trained classifier: confusion matrices, agreement with requested labels, paired accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.analysis.finished_run import FinishedRun
from assay.analysis.proof import measure_of
from assay.core.effect import Effect
from assay.core.lab import hash_seed
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Score
from assay.pipeline.plan import main_arm
from assay.pipeline.stages.ood import MICROSECONDS, PARAMETERS, REFERENCE
from assay.pipeline.stages.parts import parts
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.intervals import wilson
from assay.store.rows import ResultRow, read_results

NOT_AMONG = "not among its labels"
"""Column of samples whose requested label the reference classifier does not have."""


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix: counts of each answer (column) for each label (row).

    Raises:
        ValueError: The counts are not rows x columns.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.rows) or any(len(row) != len(self.columns) for row in self.counts):
            raise ValueError(
                f"A confusion matrix of {len(self.rows)} labels needs {len(self.rows)} rows of "
                f"{len(self.columns)} counts."
            )

    @property
    def agreement(self) -> dict[str, Effect | None]:
        """Fraction of each row in which the answer equals the label; None without a countable answer."""
        pairs = {label: self._agreeing(label) for label in self.rows}
        return {label: wilson(same, n) if n else None for label, (same, n) in pairs.items()}

    @property
    def overall(self) -> Effect | None:
        """Fraction of all samples in which the answer equals the label, without column `NOT_AMONG`."""
        pairs = [self._agreeing(label) for label in self.rows]
        same, n = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
        return wilson(same, n) if n else None

    def _agreeing(self, label: str) -> tuple[int, int]:
        """Return (answers equal to `label`, all answers) of one row, without column `NOT_AMONG`."""
        row = dict(zip(self.columns, self.counts[self.rows.index(label)], strict=True))
        return row.get(label, 0), sum(row.values()) - row.get(NOT_AMONG, 0)


@dataclass(frozen=True)
class ReferenceClassifier:
    """Answers of a classifier trained on real images to the generated images."""

    model: str
    """Model reference."""
    confusion: Confusion
    """Requested label x answer."""
    accuracy: Effect | None = None
    """Accuracy on the real held-out items, if measured."""


@dataclass(frozen=True)
class TrainedClassifier:
    """Answers of an arm's first model to the real held-out items."""

    arm: str
    confusion: Confusion


@dataclass(frozen=True)
class ReferenceVsTrained:
    """Paired accuracy of the reference classifier and the trained classifier on the same held-out items."""

    reference: str
    """Model reference."""
    arm: str
    both_correct: int
    only_reference_correct: int
    only_trained_correct: int
    neither_correct: int
    reference_accuracy: Effect
    trained_accuracy: Effect
    difference: Effect
    """Reference minus trained."""
    per_class: Mapping[str, tuple[Effect, Effect]]
    """Label -> accuracy of the reference classifier and of the trained classifier."""
    answers: Confusion
    """Answer of the reference classifier (row) x answer of the trained classifier (column)."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    microseconds: Mapping[str, int] = field(default_factory=dict)
    """Inference time per image on the machine of the run."""

    @property
    def images_per_second(self) -> dict[str, float]:
        """Inference rate of each model."""
        return {name: 1e6 / microseconds for name, microseconds in self.microseconds.items()}


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement of classifiers with the requested label of the generated images."""

    label: str
    agrees: Effect
    """Fraction of the label's images that the reference classifier assigns to the label."""
    confused_with: str
    """Most frequent other answer; empty if there is none."""
    confused_rate: float
    """Fraction of the label's images with that answer."""
    trained: Mapping[str, Effect] = field(default_factory=dict)
    """The same agreement for the model of each arm."""


def reference_classifier(run: FinishedRun) -> ReferenceClassifier | None:
    """Build the confusion matrix of the first label column over the generated images."""
    column = _first_label_column(run)
    if column is None:
        return None
    name, outcomes = column
    answers = sorted({outcome.answer for outcome in outcomes if isinstance(outcome, Label)} - set(run.labels))
    columns = (*run.labels, *answers, NOT_AMONG)
    pairs = (
        (sample.text("label"), NOT_AMONG if outcome.value == NOT_AMONG else outcome.answer)
        for sample, outcome in zip(run.samples, outcomes, strict=True)
        if isinstance(outcome, Label)
    )
    confusion = _without_empty(_confusion(run.labels, columns, pairs), keep=len(run.labels))
    model = str(getattr(run.recipe.score[name], "model", name))
    paired = run.once(reference_vs_trained)
    accuracy = paired.reference_accuracy if paired is not None and paired.reference == model else None
    return ReferenceClassifier(model, confusion, accuracy)


def _first_label_column(run: FinishedRun) -> tuple[str, list[Outcome]] | None:
    if not run.has_images:
        return None
    for name in run.recipe.score:
        if any(isinstance(outcome, Label) for outcome in run.columns[name]):
            return name, run.columns[name]
    return None


def _confusion(rows: Sequence[str], columns: Sequence[str], pairs: Iterator[tuple[str, str]]) -> Confusion:
    counts = Counter(pairs)
    return Confusion(tuple(rows), tuple(columns), tuple(tuple(counts[row, col] for col in columns) for row in rows))


def _without_empty(confusion: Confusion, keep: int) -> Confusion:
    """Remove empty columns after the first `keep`."""
    columns = [n for n in range(len(confusion.columns)) if n < keep or any(row[n] for row in confusion.counts)]
    return Confusion(
        confusion.rows,
        tuple(confusion.columns[n] for n in columns),
        tuple(tuple(row[n] for n in columns) for row in confusion.counts),
    )


def trained_classifier(run: FinishedRun) -> TrainedClassifier | None:
    """Build the confusion matrix of the main arm's first training; None for multiple-choice questions."""
    if run.recipe.prove is None or not run.once(measure_of).proportion:
        return None
    if not all("label" in sample.fields for sample in run.holdout):
        return None
    arm = main_arm(run.recipe.prove)
    rows = run.results[arm, 0]
    answers = sorted({row.outcome.answer for row in rows if isinstance(row.outcome, Score)} - set(run.labels))
    pairs = (
        (sample.text("label"), row.outcome.answer)
        for sample, row in zip(run.holdout, rows, strict=True)
        if isinstance(row.outcome, Score)
    )
    return TrainedClassifier(arm, _confusion(run.labels, (*run.labels, *answers), pairs))


def reference_vs_trained(run: FinishedRun) -> ReferenceVsTrained | None:
    """Compare the reference classifier with the main arm's first model on the items that both answered."""
    proof = run.recipe.prove
    if proof is None or "reference" not in run.stages:
        return None
    arm = main_arm(proof)
    reference = [row.outcome for path in parts(run.stages["reference"].folder) for row in read_results(path)]
    trained = [row.outcome for row in run.results[arm, 0]]
    both = [
        (sample.text("label"), a, b)
        for sample, a, b in zip(run.holdout, reference, trained, strict=True)
        if isinstance(a, Score) and isinstance(b, Score)
    ]
    if len(both) < 2:
        return None
    correct = np.array([[a.value, b.value] for _, a, b in both])
    truth = np.array([label for label, _, _ in both])
    labels = list(
        dict.fromkeys([*run.labels, *sorted({a.answer for _, a, _ in both} | {b.answer for _, _, b in both})])
    )
    members = [(label, truth == label) for label in run.labels if (truth == label).any()]
    receipt = run.stages["ood_scores"].receipt if "ood_scores" in run.stages else None
    counts = receipt.counts if receipt else {}
    return ReferenceVsTrained(
        reference=proof.reference,
        arm=arm,
        both_correct=int((correct.sum(axis=1) == 2).sum()),
        only_reference_correct=int(((correct[:, 0] == 1) & (correct[:, 1] == 0)).sum()),
        only_trained_correct=int(((correct[:, 0] == 0) & (correct[:, 1] == 1)).sum()),
        neither_correct=int((correct.sum(axis=1) == 0).sum()),
        reference_accuracy=_fraction(correct[:, 0]),
        trained_accuracy=_fraction(correct[:, 1]),
        difference=paired_bootstrap(
            correct[:, 0], correct[:, 1], seed=hash_seed(run.recipe.seed, REFERENCE) % 2**32
        ).effect,
        per_class={label: (_fraction(correct[rows, 0]), _fraction(correct[rows, 1])) for label, rows in members},
        answers=_confusion(labels, labels, ((a.answer, b.answer) for _, a, b in both)),
        parameters=_with_prefix(counts, PARAMETERS),
        microseconds=_with_prefix(counts, MICROSECONDS),
    )


def _with_prefix(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}


def _fraction(correct: npt.NDArray[Any]) -> Effect:
    return wilson(int(correct.sum()), len(correct))


def label_agreement(run: FinishedRun) -> tuple[LabelAgreement, ...]:
    """Measure by label how often each classifier assigns a generated image to its requested label."""
    column = _first_label_column(run)
    if column is None:
        return ()
    trained = _trained_answers(run)
    rows = []
    for label in run.labels:
        answers = [
            outcome.answer
            for sample, outcome in zip(run.samples, column[1], strict=True)
            if isinstance(outcome, Label) and outcome.value in ("agrees", "disagrees") and sample.text("label") == label
        ]
        if not answers:
            continue
        other = Counter(answer for answer in answers if answer != label).most_common(1)
        confused_with, count = other[0] if other else ("", 0)
        agrees = wilson(sum(answer == label for answer in answers), len(answers))
        by_arm = {arm: rate for arm, answered in trained.items() if (rate := _agrees(run.samples, answered, label))}
        rows.append(LabelAgreement(label, agrees, confused_with, count / len(answers), by_arm))
    return tuple(rows)


def _trained_answers(run: FinishedRun) -> dict[str, list[ResultRow]]:
    """Read the answers of each arm's first model to the generated samples."""
    if "agree" not in run.stages:
        return {}
    by_arm = [read_results(path) for path in parts(run.stages["agree"].folder)]
    return {rows[0].arm: rows for rows in by_arm if rows}


def _agrees(samples: Sequence[Sample], rows: Sequence[ResultRow], label: str) -> Effect | None:
    """Return the fraction of a label's images that a model assigns to it; None without an image."""
    correct = [
        row.outcome.value
        for sample, row in zip(samples, rows, strict=True)
        if isinstance(row.outcome, Score) and sample.text("label") == label
    ]
    return wilson(int(sum(correct)), len(correct)) if correct else None
