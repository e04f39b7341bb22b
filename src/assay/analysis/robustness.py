"""What a sceptic asks of a proof, as plain data: strangers, calibration, the expert, leakage, sets, exchange rate.

As in `facts`: shares are fractions, what was not measured is None or an empty tuple.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.core.effect import Effect
from assay.stats.confidence.calibration import Calibration
from assay.stats.confidence.risk_coverage import AbstentionCurve


@dataclass(frozen=True)
class OodSet:
    """One set of inputs that belong to no label, and one way of telling them apart."""

    name: str
    method: str
    """max-logit, energy, nearest or vim."""
    auroc: Effect
    fpr: Effect
    """Share still accepted where 95 % of the known test items are."""
    accepted: Effect
    """Share still accepted at the line that was drawn on real validation samples."""


@dataclass(frozen=True)
class OodInput:
    """One of them, to be shown."""

    set: str
    png: bytes
    label: str
    """What it is."""
    answer: str
    """What the model called it."""
    confidence: float
    accepted: bool
    """Whether it passes the line."""


@dataclass(frozen=True)
class OodScores:
    """A model among strangers."""

    model: str
    """The arm, or "expert"."""
    method: str
    """Which of the methods draws the line."""
    line: float
    """Scores from here up are accepted: 95 % of the real validation samples."""
    sets: tuple[OodSet, ...]
    known_accepted: Effect
    """Share of the held-out real samples that pass the line."""
    accuracy: Effect
    """On all held-out samples, answering always."""
    accuracy_accepted: Effect | None
    """On those that pass the line; None where none does."""
    sure: Mapping[str, float] = field(default_factory=dict)
    """By set, the mean confidence of the answers to strangers; also "known"."""
    shown: tuple[OodInput, ...] = ()


@dataclass(frozen=True)
class Calibrated:
    """How far a model's confidence can be believed, before and after one number mended it."""

    model: str
    temperature: float
    """Fitted on real validation samples."""
    before: Calibration
    after: Calibration
    """Both on the held-out samples."""
    silence: AbstentionCurve
    """How many of those are wrong if it answers only where it is sure."""


@dataclass(frozen=True)
class SideBySide:
    """The expert and the pupil on the same held-out samples."""

    expert: str
    """Its reference."""
    pupil: str
    """The arm."""
    both: int
    """Right."""
    only_expert: int
    only_pupil: int
    neither: int
    expert_accuracy: Effect
    pupil_accuracy: Effect
    difference: Effect
    """Expert minus pupil."""
    per_class: tuple[tuple[str, Effect, Effect], ...]
    """(label, expert, pupil)."""
    answers: tuple[tuple[int, ...], ...]
    """What the expert said (row) and what the pupil said (column), in the order of `labels`."""
    labels: tuple[str, ...]
    parameters: Mapping[str, int] = field(default_factory=dict)
    microseconds: Mapping[str, int] = field(default_factory=dict)
    """For one image, on the machine of the run."""


@dataclass(frozen=True)
class Drift:
    """A label, and who sees it in the images that were generated for it."""

    label: str
    agrees: Effect
    """Of the label's images, those that the expert takes for it."""
    instead: str
    """What it says most often otherwise; empty where it always agrees."""
    share: float
    """Of the label's images."""
    pupils: tuple[tuple[str, Effect], ...] = ()
    """(arm, share that its model takes for the label): `real` never learned from a generated image."""


@dataclass(frozen=True)
class SetDistance:
    """How far a set of images lies from the real one, by fingerprints. Described, never the verdict."""

    name: str
    """generated, kept, or real (a second real sample: the yardstick)."""
    n: int
    kid: Effect
    cmmd: float | None
    density: float
    coverage: float
    expected_density: float
    expected_coverage: float
    duplicates: float
    """Share whose nearest neighbor in the same set is nearly the same image."""
    nearest_real: float | None
    """Median distance to the nearest real training sample; None for those themselves."""


@dataclass(frozen=True)
class Reach:
    """A number of samples read off a curve, with its interval; None for an end that the curve never reaches."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    level: float
    method: str
    interval: bool = True
    """Whether there is one: as many measurements as the curve has numbers fit it exactly and tell no error."""


@dataclass(frozen=True)
class ExchangeRate:
    """How many real samples teach as much as the generated ones of an arm did."""

    arm: str
    samples: int
    accuracy: float
    worth: Reach
    """Real samples."""
    rate: Reach
    """Real samples for each generated one."""
    goal: float
    """An accuracy."""
    needed: Reach
    """Real samples for it."""
    stops: Reach
    """Real samples from which doubling brings less than one point."""
    curve: tuple[tuple[int, float], ...]
    """(real samples, accuracy), as measured, a training each."""
    floor: float
    """Of the share of wrong answers."""
    scale: float
    exponent: float
