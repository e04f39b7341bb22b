"""Stage that computes OOD scores of in-distribution and out-of-distribution inputs for a model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.model_kinds import Classifier, Pixels
from assay.core.roles import Artifact, Evaluator
from assay.core.sample import Sample
from assay.core.score import Unscored
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.context import RunContext
from assay.pipeline.stages.parts import ShardCounts, check_outcomes, part_name, samples_of
from assay.pipeline.stages.stage import CALIBRATE, HOLDOUT, Stage, StageId
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, write_results

REFERENCE = "reference"
"""Name of the reference classifier in the rows of a results table."""
FIT_PART, THRESHOLD_PART, HOLDOUT_PART = "fit", "line", "known"
"""Parts of the inputs: real samples that the OOD methods are fitted on, real samples that set the threshold, and the
held-out samples. Each OOD source is a part under the name of its stage."""
PARAMETERS, MICROSECONDS = "parameters of ", "microseconds of "
"""Prefixes of the name of a model in the counts of a receipt."""
TIMED_IMAGES = 256
"""Number of images for the measurement of speed."""


@dataclass(frozen=True)
class OodCounts(ShardCounts):
    """Counts with the size and the speed of the model."""

    parameters: int
    microseconds: int
    """Per image."""


@dataclass(frozen=True)
class OodStage(Stage):
    """Computes OOD scores with the main arm's model and with the reference classifier."""

    scorer: Evaluator
    reference: str
    """Reference of the reference classifier; "" for none."""
    model: StageId
    """Training of the main arm."""
    ood: tuple[StageId, ...]
    """Sources of OOD inputs."""

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return {"ood_scores": describe(self.scorer), "reference": self.reference}

    @property
    def version(self) -> int:
        return version_of(self.scorer)

    @property
    def components(self) -> tuple[object, ...]:
        return (self.scorer,)

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        models = {self.model.name: context.artifact(self.model)}
        if self.reference:
            models[REFERENCE] = Artifact(self.reference, "image-classifier", "")
        ood = {str(source): context.folders[source] for source in self.ood}
        work = ScoreOod(self.scorer, context.models, context.folders[CALIBRATE], context.folders[HOLDOUT], ood)
        shards = [OodShard(folder / part_name(nth), name, model) for nth, (name, model) in enumerate(models.items())]
        rows = sum(context.receipts[source].counts["rows"] for source in (HOLDOUT, CALIBRATE, *self.ood))
        counts = context.map(work, shards, self.id, rows * len(shards), 0)
        # Measured times go into the receipt: parts have the same bytes in every run.
        by_model = list(zip(models, counts, strict=True))
        speeds = {f"{MICROSECONDS}{name}": shard.microseconds for name, shard in by_model}
        sizes = {f"{PARAMETERS}{name}": shard.parameters for name, shard in by_model}
        return {"rows": sum(shard.rows for shard in counts), **sizes, **speeds}


@dataclass(frozen=True)
class OodShard:
    """One model to compute OOD scores with."""

    target: Path
    arm: str
    artifact: Artifact


@dataclass(frozen=True)
class ScoreOod:
    """Computes the OOD scores of one model. The id of a row is that of the sample."""

    component: Evaluator
    models: Models
    calibrate: Path
    holdout: Path
    ood: Mapping[str, Path]

    def __call__(self, shard: OodShard, /) -> OodCounts:
        samples = ood_inputs(self.calibrate, self.holdout, self.ood)
        places = [self.calibrate, self.holdout, *self.ood.values()]
        outcomes = self.component.evaluate(shard.artifact, samples, Lab(0, self.models, StoredImages(places)))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, samples, outcomes)
        rows = [ResultRow(shard.arm, 0, sample.id, outcome) for sample, outcome in zip(samples, outcomes, strict=True)]
        write_results(shard.target, rows)
        lab = Lab(0, self.models, StoredImages(places))
        images = [p for p in lab.readable(samples[:TIMED_IMAGES]) if not isinstance(p, Unscored)]
        model = self.models.classifier(shard.artifact.path)
        return OodCounts(len(rows), 0, len(rows), model.parameters, microseconds_per_image(model, images))


def ood_inputs(calibrate: Path, holdout: Path, ood: Mapping[str, Path]) -> list[Sample]:
    """The inputs of a model, in order, each with its part in the text field `part`.

    Calibration samples are split in two: even ones fit the OOD methods, odd ones set the threshold.
    """
    real = samples_of(calibrate)
    parts: list[tuple[str, Sequence[Sample]]] = [
        (FIT_PART, real[::2]),
        (THRESHOLD_PART, real[1::2]),
        (HOLDOUT_PART, samples_of(holdout)),
    ]
    parts += [(name, samples_of(folder)) for name, folder in ood.items()]
    return [_in_part(sample, name) for name, samples in parts for sample in samples]


def _in_part(sample: Sample, part: str) -> Sample:
    return replace(sample, fields={**sample.fields, "part": part}, parents=(sample.id,), made_by="shown")


def microseconds_per_image(model: Classifier, images: Sequence[Pixels], rounds: int = 3) -> int:
    """Microseconds per image of a classifier: median of `rounds` after one warm-up round."""
    model.logits(images[:1])
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        model.logits(images)
        seconds.append(time.perf_counter() - started)
    return round(sorted(seconds)[rounds // 2] / max(1, len(images)) * 1e6)
