"""The rest of the proof: strangers shown to a model, and the expert beside the pupil."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.core.lab import Lab, Models
from assay.core.model_kinds import Classifier, Pixels
from assay.core.roles import Artifact, Evaluator
from assay.core.sample import Sample
from assay.core.score import Unscored
from assay.pipeline.stages.shards import Tally, check_outcomes, samples_of
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, write_results

REFERENCE = "reference"
"""How the rows of a results table name a model that no arm trained."""
FIT, LINE, KNOWN = "fit", "line", "known"
"""Parts of what is shown to a model that may meet strangers: real samples to learn the known from, real samples to
draw the line by, and the held-out ones. A set of strangers is a part of its own, by the name of its source."""


PARAMETERS, MICROSECONDS = "parameters of ", "microseconds of "
"""Before the name of a model, in the counts of a receipt."""
TIMED = 256
"""Images that a model's speed is measured on."""


@dataclass(frozen=True)
class Shown(Tally):
    """Also how large the model is and how fast it was here."""

    parameters: int
    microseconds: int
    """For one image."""


@dataclass(frozen=True)
class OodShard:
    """One model to show strangers to."""

    target: Path
    arm: str
    artifact: Artifact


@dataclass(frozen=True)
class ScoreOod:
    """Shows a model what it knows and what it does not. Every row's id is that of the sample."""

    component: Evaluator
    models: Models
    calibrate: Path
    holdout: Path
    strangers: Mapping[str, Path]

    def __call__(self, shard: OodShard, /) -> Shown:
        samples = shown(self.calibrate, self.holdout, self.strangers)
        places = [self.calibrate, self.holdout, *self.strangers.values()]
        outcomes = self.component.evaluate(shard.artifact, samples, Lab(0, self.models, StoredImages(places)))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rows = [ResultRow(shard.arm, 0, sample.id, outcome) for sample, outcome in zip(samples, outcomes, strict=True)]
        write_results(shard.target, rows)
        lab = Lab(0, self.models, StoredImages(places))
        images = [p for p in lab.readable(samples[:TIMED]) if not isinstance(p, Unscored)]
        model = self.models.classifier(shard.artifact.path)
        return Shown(len(rows), 0, len(rows), model.parameters, microseconds_an_item(model, images))


def shown(calibrate: Path, holdout: Path, strangers: Mapping[str, Path]) -> list[Sample]:
    """What a model is shown, in order, each sample with its part in the text field `part`.

    Of the samples to calibrate by, every other one is learned from and the rest draw the line: none does both.
    """
    real = samples_of(calibrate)
    parts: list[tuple[str, Sequence[Sample]]] = [(FIT, real[::2]), (LINE, real[1::2]), (KNOWN, samples_of(holdout))]
    parts += [(name, samples_of(folder)) for name, folder in strangers.items()]
    return [_in_part(sample, name) for name, samples in parts for sample in samples]


def _in_part(sample: Sample, part: str) -> Sample:
    return replace(sample, fields={**sample.fields, "part": part}, parents=(sample.id,), made_by="shown")


def microseconds_an_item(model: Classifier, images: Sequence[Pixels], rounds: int = 3) -> int:
    """How long a classifier takes for one image, in microseconds: the median of some rounds after a first one."""
    model.logits(images[:1])
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        model.logits(images)
        taken.append(time.perf_counter() - started)
    return round(sorted(taken)[rounds // 2] / max(1, len(images)) * 1e6)
