"""Everything a report shows, as plain data: no store, no model, no numpy. The pipeline fills it from receipts.

Shares and accuracies are fractions, 0 to 1, and so are their differences; only the page turns them into % and points.
What was not measured is None, or an empty tuple; never 0 and never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from assay.analysis.checks import must_add_up, must_be_finite
from assay.analysis.choices import Choices
from assay.analysis.diversity import Variety
from assay.analysis.learning import Learning
from assay.analysis.measures import ACCURACY, Measure
from assay.analysis.preferences import Preferences
from assay.analysis.proof import Answered, Arm, Comparison, Curve, Duel, OtherMeasure
from assay.analysis.robustness import Calibrated, Drift, ExchangeRate, OodScores, SetDistance, SideBySide
from assay.core.effect import Effect
from assay.core.provenance import UNKNOWN
from assay.pipeline.stages.leakage import Leaks
from assay.stats.inference.verdict import Verdict

NOT_AMONG = "not among its labels"
"""The column of an expert's confusion matrix for samples whose intended label the expert does not know."""


@dataclass(frozen=True)
class LabelFunnel:
    """What became of the samples of one label."""

    label: str
    requested: int
    kept: int
    dropped: int
    failed: int


@dataclass(frozen=True)
class Funnel:
    """What became of every sample asked for: requested = kept + dropped + failed, in total and for each label.

    Raises:
        ValueError: It does not add up, or a count is negative.
    """

    requested: int
    kept: int
    dropped: Mapping[str, int]
    """By filter; a sample counts for the first that dropped it."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    by_label: tuple[LabelFunnel, ...] = ()
    rules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By rule, those that a filter with several of them dropped, most frequent first."""

    def __post_init__(self) -> None:
        dropped, failed = sum(self.dropped.values()), sum(self.failed.values())
        must_add_up("all samples", self.requested, (self.kept, dropped, failed))
        for row in self.by_label:
            must_add_up(f"label {row.label!r}", row.requested, (row.kept, row.dropped, row.failed))
        if min((0, *self.dropped.values(), *self.failed.values())) < 0:
            raise ValueError("The funnel holds a negative count.")
        for name, rules in self.rules.items():
            if sum(rules.values()) != self.dropped.get(name, 0):
                raise ValueError(
                    f"The rules of {name!r} dropped {sum(rules.values())}, it {self.dropped.get(name, 0)}."
                )
        if self.by_label:
            sums = [sum(getattr(row, part) for row in self.by_label) for part in ("kept", "dropped", "failed")]
            if sums != [self.kept, dropped, failed]:
                raise ValueError(
                    f"The labels' kept, dropped, failed sum to {sums}, not {[self.kept, dropped, failed]}."
                )


FROM, UP_TO = "keep from here up", "keep up to here"


@dataclass(frozen=True)
class Threshold:
    """A line that a filter drew on a score."""

    value: float
    text: str
    """FROM or UP_TO."""


@dataclass(frozen=True)
class ScoreColumn:
    """All numbers that one scorer gave, parted by what the filters decided."""

    name: str
    unit: str
    kept: tuple[float, ...]
    dropped: tuple[float, ...]
    low: float | None = None
    """Bounds of the scale."""
    high: float | None = None
    better: Literal["higher", "lower", "neither"] = "higher"
    thresholds: tuple[Threshold, ...] = ()
    unscored: Mapping[str, int] = field(default_factory=dict)
    """By cause."""


@dataclass(frozen=True)
class Specimen:
    """One generated image or text to show."""

    id: str
    """Of the sample, for `assay why`."""
    png: bytes
    """Small: 28 to 256 pixels wide. It is inlined. Empty where it is a text."""
    label: str
    prompt: str
    kept: bool
    scores: tuple[tuple[str, float | str], ...] = ()
    """(column, number or answer)."""
    rule: str = ""
    """What dropped it."""
    reason: str = ""
    text: str = ""
    """What was written, cut where it is long; empty where it is an image."""


@dataclass(frozen=True)
class Confusion:
    """How often each answer (column) was given for each intended label (row).

    Raises:
        ValueError: The counts are not rows x columns.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.rows) or any(len(row) != len(self.columns) for row in self.counts):
            raise ValueError(f"A confusion matrix needs {len(self.rows)} rows of {len(self.columns)} counts.")


@dataclass(frozen=True)
class Expert:
    """What a classifier trained on real photographs says of the generated images."""

    model: str
    """Its reference."""
    confusion: Confusion
    """Intended label x the expert's answer; the column `NOT_AMONG` for labels it does not know."""
    accuracy: Effect | None = None
    """Of the expert itself on the real test items, where measured."""


@dataclass(frozen=True)
class Pupil:
    """What the model of one arm says of the real test items. First seed."""

    arm: str
    confusion: Confusion


@dataclass(frozen=True)
class StageCost:
    """What one stage took."""

    name: str
    seconds: float | None
    items: int | None = None
    item_name: str = "images"
    tokens: int | None = 0
    """None where a model did not say; 0 where no text model was asked."""
    dollars: float | None = 0.0
    """None where a price is not known; 0 where nothing was paid."""


@dataclass(frozen=True)
class DataSource:
    """Real data that the run used."""

    name: str
    used_for: str
    origin: str
    """Where it came from: an address, a package, a folder."""
    count: int | None
    """None where it cannot be read any more."""
    digest: str
    licence: str = UNKNOWN
    """As the source or the card beside it says."""


@dataclass(frozen=True)
class Share:
    """How much of some samples is synthetic."""

    name: str
    """What they are, such as those of an arm."""
    samples: int
    synthetic: int | None
    """None where an older assay did not count them."""


@dataclass(frozen=True)
class ModelUsed:
    """A model that the run used."""

    role: str
    reference: str
    digest: str = ""
    note: str = ""
    licence: str = UNKNOWN
    """As its own card says; "" of what is no model."""


@dataclass(frozen=True)
class Origin:
    """How this run came about, and how to have it again."""

    command: str
    run: str
    """The run folder, as `assay why RUN SAMPLE` takes it."""
    finished: str
    """ISO 8601."""
    seed: int
    recipe: str
    """The YAML, whole."""
    versions: Mapping[str, str]
    machine: str = ""


@dataclass(frozen=True)
class ReportFacts:
    """One run, ready to be shown.

    Raises:
        ValueError: Arms share a name, a comparison names an arm that is not there, or a number is not finite.
    """

    name: str
    question: str
    """A sentence with a question mark; the first comparison answers it."""
    origin: Origin
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    """The first is the one the verdict of the run is taken from."""
    funnel: Funnel
    scores: tuple[ScoreColumn, ...] = ()
    choices: Choices | None = None
    """What each score alone would keep; None where fewer than two choose."""
    variety: Variety | None = None
    """How varied the texts are; None where there are none."""
    preferences: Preferences | None = None
    """What the pairs of answers are like; None where samples are none."""
    specimens: tuple[Specimen, ...] = ()
    """Images, or texts."""
    expert: Expert | None = None
    pupil: Pupil | None = None
    unknowns: tuple[OodScores, ...] = ()
    calibration: tuple[Calibrated, ...] = ()
    beside: SideBySide | None = None
    drift: tuple[Drift, ...] = ()
    leakage: tuple[Leaks, ...] = ()
    sets: tuple[SetDistance, ...] = ()
    exchange: ExchangeRate | None = None
    stages: tuple[StageCost, ...] = ()
    data: tuple[DataSource, ...] = ()
    models: tuple[ModelUsed, ...] = ()
    shares: tuple[Share, ...] = ()
    """Of what was kept, and of what each arm learned from."""
    caveats: tuple[str, ...] = ()
    """Limits that only the caller knows, a sentence each; the page adds those it can read off the facts."""
    equal: Literal["steps", "samples"] = "steps"
    """What the arms have in common: always the optimizer steps, or the number of samples too."""
    measure: Measure = ACCURACY
    """What the proof measures."""
    others: tuple[OtherMeasure, ...] = ()
    """What else was measured of the models' answers."""
    also: tuple[OtherMeasure, ...] = ()
    """What was measured of every model beside the question, on items of its own."""
    duels: tuple[Duel, ...] = ()
    learned: tuple[Learning, ...] = ()
    """What was watched while models learned from preferences and rewards."""
    answered: tuple[Answered, ...] = ()
    """Some held-out tasks, with every model's answer."""
    test_items: str = "real test photographs"
    """What the test items are called, in the plural."""

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"Arms must have different names, were {names}.")
        for pair in self.comparisons:
            if missing := {pair.ours, pair.theirs} - set(names):
                raise ValueError(f"A comparison names {sorted(missing)}, the arms are {names}.")
        must_be_finite(self, "facts", exempt=Curve)

    @property
    def of_texts(self) -> bool:
        """Whether texts were made, and no images."""
        return bool(self.specimens) and not any(one.png for one in self.specimens)

    @property
    def verdict(self) -> Verdict | None:
        """Of the first comparison; None where nothing was compared."""
        return self.comparisons[0].verdict if self.comparisons else None

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)
