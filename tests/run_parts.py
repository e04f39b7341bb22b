"""Small components without models, for recipes as `run_parts:Class`, and functions that read a run folder.

A component with a `folder` fails until the file `mended` exists there, like a service that is down.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from assay.components.filters.threshold import Threshold
from assay.core.errors import ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Artifact
from assay.core.sample import Failure, Made, Sample
from assay.core.score import Fingerprint, Label, Outcome, Scale, Score, Unscored
from assay.engines.local import Local
from assay.models.open_models import OpenModels
from assay.pipeline.progress import SilentReporter
from assay.pipeline.runner import Runner
from assay.store.receipts import read_receipt
from assay.store.run_folder import RunFolder

LABELS = ("dark", "light")
COMPLETE = "already complete"
"""End of the note of a stage that an earlier run completed."""


def broken(folder: str | None) -> bool:
    return folder is not None and not (Path(folder) / "mended").exists()


def note(folder: str | None, text: str) -> None:
    """Append a line to the log in the folder, so that a test can count calls."""
    if folder is not None:
        with (Path(folder) / "log").open("a", encoding="utf-8") as log:
            log.write(text + "\n")


def noise(label: str, seed: int) -> Any:
    middle = 60 if label == "dark" else 190
    return np.clip(np.random.default_rng(seed).normal(middle, 60, (8, 8)), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Shapes:
    """Noisy squares. Every `every`th fails while the folder is broken; the first `short` samples are missing."""

    count: int = 150
    labels: tuple[str, ...] = LABELS
    folder: str | None = None
    every: int = 5
    short: int = 0

    version: ClassVar[int] = 1

    def seeds(self) -> Sequence[Sample]:
        return [
            Sample({"label": self.labels[nth % len(self.labels)]}, made_by="Shapes", nth=nth)
            for nth in range(self.count)
        ]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        note(self.folder, f"generate {len(seeds)}")
        return [self._draw(seed, lab) for seed in seeds][self.short :]

    def _draw(self, seed: Sample, lab: Lab) -> Made:
        if broken(self.folder) and seed.nth % self.every == 0:
            return Failure(seed.id, "generation failed")
        image = lab.images.put(noise(seed.text("label"), lab.seed_of(seed, "shape")))
        return Sample({**seed.fields, "image": image}, (seed.id,), "Shapes")


@dataclass(frozen=True)
class Chain:
    """Numbers in rounds: one plus the sum of all earlier rounds. Every fifth fails while the folder is broken."""

    count: int = 30
    per_round: int = 10
    group: int = 3
    folder: str | None = None
    pause: float = 0.0
    wrong_rounds: bool = False

    version: ClassVar[int] = 1

    def seeds(self) -> Sequence[Sample]:
        return [Sample({"nth": str(nth)}, made_by="Chain", nth=nth) for nth in range(self.count)]

    def rounds(self, seeds: Sequence[Sample]) -> Sequence[Sequence[Sequence[Sample]]]:
        rounds = [seeds[start : start + self.per_round] for start in range(0, len(seeds), self.per_round)]
        groups = [[seeds[nth : nth + self.group] for nth in range(0, len(seeds), self.group)] for seeds in rounds]
        return groups[1:] if self.wrong_rounds else groups

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        if seeds:
            note(self.folder, f"{seeds[0].text('nth')} to {seeds[-1].text('nth')} after {len(lab.made)}")
        time.sleep(self.pause)
        total = 1 + sum(int(sample.text("number")) for sample in lab.made)
        return [
            Failure(seed.id, "generation failed")
            if broken(self.folder) and int(seed.text("nth")) % 5 == 0
            else Sample({**seed.fields, "number": str(total)}, (seed.id,), "Chain")
            for seed in seeds
        ]


@dataclass(frozen=True)
class Bright:
    """Mean brightness of an image, 0 to 1."""

    folder: str | None = None
    fault: Literal["", "short", "off"] = ""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("brightness", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        if samples:
            note(self.folder, f"score {len(samples)}")
        outcomes = [self._score_image(sample, lab) for sample in samples]
        return outcomes[1:] if self.fault == "short" else outcomes

    def _score_image(self, sample: Sample, lab: Lab) -> Outcome:
        if broken(self.folder) and int(sample.id, 16) % 7 == 0:
            return Unscored("failed", "scoring failed")
        (pixels,) = lab.pixels([sample])
        return Score(float(pixels.mean()) / 255 + (9 if self.fault == "off" else 0))


@dataclass(frozen=True)
class Eye:
    """Labels "dark" and "light"; its preflight check refuses other labels."""

    knows: tuple[str, ...] = LABELS

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("dark or light", better="neither")

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        unknown = sorted({seed.text("label") for seed in seeds} - set(self.knows))
        if unknown:
            raise RecipeError(f"Eye: unknown labels {', '.join(unknown)}.", hint=f"Known: {', '.join(self.knows)}.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [Label("light" if pixels.mean() > 127 else "dark") for pixels in lab.pixels(samples)]


@dataclass(frozen=True)
class Look:
    """Fingerprint of all pixels."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("pixels", better="neither")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [Fingerprint(tuple((pixels.ravel() / 255.0).tolist())) for pixels in lab.pixels(samples)]


@dataclass(frozen=True)
class Blind:
    """Scorer whose model does not exist."""

    scale: ClassVar[Scale] = Scale("nothing")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        raise ModelError("No model for Blind.", hint="It does not exist.")


@dataclass(frozen=True)
class Plates:
    """Source of real images."""

    count: int = 40
    first: int = 1000
    folder: str | None = None

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        note(self.folder, "read")
        return [
            Sample({"label": label, "image": lab.images.put(noise(label, nth)), "origin": f"plates/{nth}"})
            for nth in range(self.first, self.first + self.count)
            for label in (LABELS[nth % 2],)
        ]


@dataclass(frozen=True)
class Middles:
    """Trainer of the mean brightness of each label."""

    version: ClassVar[int] = 1

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        means = [float(pixels.mean()) for pixels in lab.pixels(samples)]
        labels = [sample.text("label") for sample in samples]
        by_label = {
            label: float(np.mean([mean for mean, other in zip(means, labels, strict=True) if other == label] or [127]))
            for label in LABELS
        }
        folder = lab.workspace() / "model"
        folder.mkdir(exist_ok=True)
        text = json.dumps(by_label, sort_keys=True)
        (folder / "middles.json").write_text(text, encoding="utf-8")
        return Artifact(str(folder), "middles", hashlib.sha256(text.encode()).hexdigest(), {"steps": 1})


@dataclass(frozen=True)
class Right:
    """Accuracy of the nearest mean brightness."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("share correct", 0.0, 1.0)

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        middles = json.loads((Path(artifact.path) / "middles.json").read_text(encoding="utf-8"))
        answers = [
            min(LABELS, key=lambda label: abs(middles[label] - mean))
            for mean in (float(pixels.mean()) for pixels in lab.pixels(holdout))
        ]
        return [
            Score(float(answer == sample.text("label")), answer=answer)
            for answer, sample in zip(answers, holdout, strict=True)
        ]


def recipe(generate: Any = None, *, score: Any = None, low: float = 0.4, **more: Any) -> Recipe:
    """Complete recipe of the components above."""
    proof = Proof(Plates(), Right(), Plates(60, 5000), arms=("real", "unfiltered", "filtered", "random-subset"))
    values: dict[str, Any] = {
        "score": score or {"bright": Bright(), "eye": Eye()},
        "keep": (Threshold("bright", low=low),),
        "train": Middles(),
        "prove": proof,
    }
    return Recipe("tiny", generate or Shapes(), **(values | more))


class Interrupted:
    """Engine that is interrupted after a number of shards."""

    workers = 1

    def __init__(self, after: int) -> None:
        self.left = after

    def map(self, work: Any, shards: Any) -> Any:
        for shard in shards:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield work(shard)


class RecordingReporter(SilentReporter):
    """Records the note of each completed stage, and warnings."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        self.warnings: list[str] = []
        self._stage = ""

    @property
    def executed(self) -> set[str]:
        """Stages that this run executed, without the preflight check."""
        return {stage for stage, note in self.ended.items() if not note.endswith(COMPLETE)} - {"check"}

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage = stage

    def end(self, note: str) -> None:
        self.ended[self._stage] = note

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def run(what: Recipe, folder: Path, engine: Any = None, *, strict: bool = False) -> RecordingReporter:
    """Run a recipe."""
    reporter = RecordingReporter()
    Runner(what, RunFolder.open(folder, create=True), OpenModels(), engine or Local(), reporter, strict).run()
    return reporter


def datasets(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run by path, without receipts and pages, which hold times."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent != folder and path.name != "receipt.json"
    }


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file of a stage: they change when it is written again, even with the same bytes."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent != folder
    }


def folder_of(run_folder: Path, stage: str) -> Path:
    """Folder of a stage that was run once."""
    (folder,) = (path for path in run_folder.iterdir() if path.is_dir() and path.name.rpartition("-")[0] == stage)
    return folder


def counts(run_folder: Path, stage: str) -> dict[str, int]:
    receipt = read_receipt(folder_of(run_folder, stage))
    assert receipt is not None
    return dict(receipt.counts)
