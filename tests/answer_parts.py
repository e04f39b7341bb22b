"""Small real components for proofs of answers: sums, a model that is off by what its data were, and who looks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from assay.components.filters.threshold import Threshold
from assay.core.lab import Lab
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Artifact
from assay.core.sample import Made, Sample
from assay.core.score import FRACTION_CORRECT_UNIT, Outcome, Scale, Score, Unscored
from run_parts import broken, note

START = 6.0
"""By how much the model that nobody trained is off."""


def total(task: Sample) -> int:
    return sum(map(int, re.findall(r"\d+", task.text("instruction"))))


def offset(reference: str) -> float:
    """By how much a model is off."""
    if reference.startswith("as it was"):
        return START
    return float(json.loads((Path(reference) / "offset.json").read_text(encoding="utf-8")))


def task(nth: int, off: int) -> Sample:
    instruction = f"Add {nth} and {nth % 7}."
    return Sample({"instruction": instruction, "input": "", "output": str(nth + nth % 7 + off)}, nth=nth)


@dataclass(frozen=True)
class Sums:
    """Sums, every third of which is 4 too much, and every tenth has no answer."""

    count: int = 60

    version: ClassVar[int] = 1

    def seeds(self) -> Sequence[Sample]:
        return [Sample({"number": str(nth)}, nth=nth) for nth in range(self.count)]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        return [self._problem(seed) for seed in seeds]

    def _problem(self, seed: Sample) -> Made:
        problem = task(seed.nth, 4 if seed.nth % 3 == 0 else 0)
        fields = {**problem.fields, "output": ""} if seed.nth % 10 == 5 else problem.fields
        return Sample(fields, parents=(seed.id,), made_by="Sums", nth=seed.nth)


@dataclass(frozen=True)
class SumsBy(Sums):
    """The same sums, each as far off as a model is beside: who made them can be told."""

    model: str = "as it was"

    def _problem(self, seed: Sample) -> Made:
        problem = super()._problem(seed)
        assert isinstance(problem, Sample)
        off = f" {offset(self.model):g}"
        return Sample({**problem.fields, "by": off}, parents=problem.parents, made_by="SumsBy", nth=problem.nth)


@dataclass(frozen=True)
class TrueSums:
    """What people would answer."""

    count: int = 30
    first: int = 500

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [task(nth, 0) for nth in range(self.first, self.first + self.count)]


@dataclass(frozen=True)
class Error:
    """How far a sum is off."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("off by", 0.0, better="lower")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [
            Score(float(abs(int(sample.text("output")) - total(sample))))
            if sample.text("output")
            else Unscored("not_applicable", "no answer")
            for sample in samples
        ]


@dataclass(frozen=True)
class Offset:
    """Learns by how much its data are off, on average, and `extra`."""

    extra: int = 0
    begins: str = "as it was"

    version: ClassVar[int] = 1

    def base(self, lab: Lab) -> str:
        return self.begins

    def usable(self, sample: Sample) -> bool:
        return bool(sample.text("output"))

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        off = sum(int(sample.text("output")) - total(sample) for sample in samples) / len(samples) + self.extra
        folder = lab.workspace() / "model"
        folder.mkdir(exist_ok=True)
        text = json.dumps(off)
        (folder / "offset.json").write_text(text, encoding="utf-8")
        return Artifact(str(folder), "text-model", hashlib.sha256(text.encode()).hexdigest(), {"steps": 1})


@dataclass(frozen=True)
class Sayings:
    """How far off a model is, with what it answers; it does not answer the task that it has no number for."""

    silent: str = "Add 501 "

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("off by", 0.0, better="lower")
    answers: ClassVar[bool] = True

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        off = offset(artifact.path)
        return [
            Unscored("not_applicable", "no number")
            if sample.text("instruction").startswith(self.silent)
            else Score(off + nth % 3 / 10, answer=str(total(sample) + round(off)))
            for nth, sample in enumerate(holdout)
        ]


@dataclass(frozen=True)
class Exact:
    """Whether an answer is that of the people; fails while its folder is broken."""

    folder: str | None = None

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(FRACTION_CORRECT_UNIT, 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        note(self.folder, str(len(samples)))
        if broken(self.folder):
            return [Unscored("failed", "not mended yet") for _ in samples]
        return [Score(float(sample.text("text") == sample.text("output"))) for sample in samples]


@dataclass(frozen=True)
class Length:
    """Characters of an answer: neither many nor few are better."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("characters", 0.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [Score(float(len(sample.text("text")))) for sample in samples]


@dataclass(frozen=True)
class Nearer:
    """Which of two answers is nearer."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("wins", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._compare(sample) for sample in samples]

    def _compare(self, sample: Sample) -> Outcome:
        off = [abs(int(sample.text(name)) - total(sample)) for name in ("output_a", "output_b")]
        if off[0] == off[1]:
            return Score(0.5, evidence={"same": 1.0})
        return Score(float(off[0] < off[1]), evidence={"conflict": 0.0})


def recipe(**changes: Any) -> Recipe:
    """Base, filtered and what it takes to tell why."""
    proof = {
        "arms": ("base", "unfiltered", "filtered", "random-subset", "human", "human+synthetic"),
        "answer": ("filtered", "base"),
        "real": TrueSums(20, 900),
        "measures": {"exact": Exact(), "length": Length()},
        "duel": Nearer(),
        **changes,
    }
    return Recipe(
        "sums",
        Sums(),
        score={"error": Error()},
        keep=(Threshold("error", high=0.5),),
        train=Offset(),
        prove=Proof(TrueSums(), Sayings(), **proof),  # type: ignore[arg-type]
    )
