"""Report data: every result of a finished run as plain data, from which the page and `results.json` are written.

Proportions, accuracies and their differences are fractions from 0 to 1. A missing result is None or empty, never 0
or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import isfinite
from typing import Any, Literal

from assay.analysis.finished_run import FinishedRun, has_images
from assay.analysis.measures import ACCURACY, ProofMeasure
from assay.analysis.models.answers import ExampleAnswers, MeasureResult, PairwiseComparison
from assay.analysis.models.classifiers import LabelAgreement, ReferenceClassifier, ReferenceVsTrained, TrainedClassifier
from assay.analysis.models.exchange_rate import ExchangeRate
from assay.analysis.models.ood_detection import ModelCalibration, OodDetection
from assay.analysis.models.training import TrainingRecord
from assay.analysis.proof import Arm, ArmComparison, LossCurve, measure_of
from assay.analysis.provenance import Cost, Reproduction, RunProvenance
from assay.analysis.samples.distances import DistributionDistance
from assay.analysis.samples.diversity import Diversity
from assay.analysis.samples.examples import SampleExample
from assay.analysis.samples.funnel import Funnel
from assay.analysis.samples.preferences import PreferenceStatistics
from assay.analysis.samples.score_selection import ScoreSelection
from assay.analysis.samples.scores import ScoreColumn
from assay.pipeline.stages.leakage import Leaks
from assay.stats.inference.compare import Verdict


@dataclass(frozen=True)
class ReportData:
    """All results of one run.

    Fields that a section of the report declares are filled with the result of the section's analysis function.

    Raises:
        ValueError: Arms have the same name, a comparison names an unknown arm, or a number is not finite.
    """

    name: str
    question: str
    """Answered by the first comparison."""
    reproduction: Reproduction
    arms: tuple[Arm, ...]
    comparisons: tuple[ArmComparison, ...]
    """The first one gives the verdict of the run."""
    funnel: Funnel
    scores: tuple[ScoreColumn, ...] = ()
    score_selection: ScoreSelection | None = None
    diversity: Diversity | None = None
    preference_pairs: PreferenceStatistics | None = None
    examples: tuple[SampleExample, ...] = ()
    reference_classifier: ReferenceClassifier | None = None
    trained_classifier: TrainedClassifier | None = None
    ood_detection: tuple[OodDetection, ...] = ()
    calibration: tuple[ModelCalibration, ...] = ()
    reference_vs_trained: ReferenceVsTrained | None = None
    label_agreement: tuple[LabelAgreement, ...] = ()
    leakage: tuple[Leaks, ...] = ()
    distribution_distance: tuple[DistributionDistance, ...] = ()
    exchange_rate: ExchangeRate | None = None
    cost: Cost = field(default_factory=Cost)
    provenance: RunProvenance = field(default_factory=RunProvenance)
    caveats: tuple[str, ...] = ()
    """Further limitations, one sentence each."""
    equal: Literal["steps", "samples"] = "steps"
    """What all arms have in common: optimizer steps, or optimizer steps and number of samples."""
    measure: ProofMeasure = ACCURACY
    other_measures: tuple[MeasureResult, ...] = ()
    auxiliary_evaluation: tuple[MeasureResult, ...] = ()
    pairwise_comparisons: tuple[PairwiseComparison, ...] = ()
    training: tuple[TrainingRecord, ...] = ()
    example_answers: tuple[ExampleAnswers, ...] = ()
    test_items: str = "real test images"
    """Name of the held-out items, plural."""
    sections: Mapping[str, Any] = field(default_factory=dict)
    """Data of sections that are no fields of this class, such as those of plug-ins, by section name."""

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"Arms must have different names, got {names}.")
        for pair in self.comparisons:
            if missing := {pair.ours, pair.theirs} - set(names):
                raise ValueError(f"A comparison names {sorted(missing)}, but the arms are {names}.")
        _check_finite(self, "report", exempt=LossCurve)

    @property
    def only_texts(self) -> bool:
        """Whether the examples are texts."""
        return bool(self.examples) and not any(example.png for example in self.examples)

    @property
    def verdict(self) -> Verdict | None:
        """Verdict of the first comparison; None without a comparison."""
        return self.comparisons[0].verdict if self.comparisons else None

    def arm(self, name: str) -> Arm:
        """Return the arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


def analyze(run: FinishedRun, analyses: Mapping[str, Callable[[FinishedRun], Any]]) -> ReportData:
    """Run every analysis on a finished run.

    Args:
        run: The finished run.
        analyses: Analysis function by name. The name is a field of `ReportData`, or else a key of its `sections`.
    """
    computed = {name: run.once(function) for name, function in analyses.items()}
    field_names = {part.name for part in fields(ReportData)}
    return ReportData(
        name=run.recipe.name,
        question=run.recipe.question,
        equal=run.recipe.prove.equal if run.recipe.prove else "steps",
        measure=run.once(measure_of),
        test_items=_test_items(run),
        sections={name: data for name, data in computed.items() if name not in field_names},
        **{name: data for name, data in computed.items() if name in field_names},
    )


def _test_items(run: FinishedRun) -> str:
    if has_images(run.holdout):
        return "real test images"
    tasks = any("instruction" in sample.fields for sample in run.holdout[:1])
    return "held-out tasks" if tasks else "real test texts"


def _check_finite(value: object, where: str, exempt: type) -> None:
    """Check that dataclasses, mappings and tuples hold neither NaN nor infinity, outside of values of type `exempt`.

    Raises:
        ValueError: A number is not finite; the message names its path.
    """
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{where} is {value}; a missing value must be None.")
    if not isinstance(value, exempt):
        for name, part in _parts(value):
            _check_finite(part, where + name, exempt)


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Yield the parts of a value with their path."""
    if is_dataclass(value):
        yield from ((f".{part.name}", getattr(value, part.name)) for part in fields(value))
    elif isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, tuple):
        yield from ((f"[{nth}]", part) for nth, part in enumerate(value))
