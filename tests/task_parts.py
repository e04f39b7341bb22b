"""Tasks as a recipe makes them, read from a file so that a test says what they are: `task_parts:Tasks` in a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from assay.core.lab import Lab
from assay.core.sample import Failure, Made, Sample
from assay.core.score import Outcome, Scale, Score, Unscored


@dataclass(frozen=True)
class Tasks:
    """One task a line of a JSONL file; a line without an instruction is one that nobody could make."""

    path: str

    version: ClassVar[int] = 1

    def seeds(self) -> Sequence[Sample]:
        lines = Path(self.path).read_text(encoding="utf-8").splitlines()
        return [Sample(json.loads(line), made_by="Tasks", nth=nth) for nth, line in enumerate(lines)]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        return [
            Sample(seed.fields, (seed.id,), "Tasks")
            if "instruction" in seed.fields
            else Failure(seed.id, "nothing came")
            for seed in seeds
        ]


@dataclass(frozen=True)
class Length:
    """Words of the answer, on a scale that says what it is told; a "?" has no length, and some say the same of all."""

    better: Literal["higher", "lower", "neither"] = "higher"
    same: bool = False

    version: ClassVar[int] = 1

    @property
    def scale(self) -> Scale:
        return Scale("words", 0.0, better=self.better)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        texts = [sample.text("output") for sample in samples]
        return [
            Unscored("not_applicable", "no answer") if text == "?" else Score(1.0 if self.same else len(text.split()))
            for text in texts
        ]


def task(instruction: str, output: str, given: str = "", **more: str) -> dict[str, str]:
    return {"instruction": instruction, "input": given, "output": output, **more}


def write_tasks(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
