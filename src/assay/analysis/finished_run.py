"""A finished run, read from its folder once, for every analysis of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from assay.core.recipe import Recipe
from assay.core.sample import Image, Made, Sample
from assay.core.score import Outcome, Score
from assay.pipeline.plan import PlannedStage
from assay.pipeline.stages.parts import parts, samples_of
from assay.pipeline.stages.stage import score_id
from assay.store.rows import DecisionRow, ResultRow, read_decisions, read_outcomes, read_results
from assay.store.shards import read_shard

Values: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Results: TypeAlias = dict[tuple[str, int], list[ResultRow]]
T = TypeVar("T")


@dataclass(frozen=True)
class FinishedRun:
    """A finished run; each of its artifacts is read once.

    `command` is the command line that reproduces the run.
    """

    folder: Path
    recipe: Recipe
    stages: Mapping[str, PlannedStage]
    command: str = ""
    _analyses: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, analyze: Callable[[FinishedRun], T]) -> T:
        """Return `analyze(self)`, computed at the first call and reused afterwards."""
        if analyze not in self._analyses:
            self._analyses[analyze] = analyze(self)
        return cast(T, self._analyses[analyze])

    @cached_property
    def generated_rows(self) -> list[Made]:
        """Every requested sample in order: the sample, or its failure."""
        return [row for path in parts(self.stages["generate"].folder) for row in read_shard(path)]

    @cached_property
    def samples(self) -> list[Sample]:
        """Generated samples in order, without failures."""
        return [row for row in self.generated_rows if isinstance(row, Sample)]

    @cached_property
    def columns(self) -> dict[str, list[Outcome]]:
        """Outcomes by score column, in the order of `samples`."""
        return {
            column: [
                outcome
                for path in parts(self.stages[str(score_id(column))].folder)
                for _, outcome in read_outcomes(path)
            ]
            for column in self.recipe.score
        }

    @cached_property
    def decisions(self) -> list[DecisionRow]:
        """Filter decisions in the order of `samples`."""
        return read_decisions(self.stages["keep"].folder / "decisions.parquet")

    @cached_property
    def holdout(self) -> list[Sample]:
        """Held-out real samples on which every model is evaluated."""
        return samples_of(self.stages["holdout"].folder) if "holdout" in self.stages else []

    @cached_property
    def labels(self) -> list[str]:
        """Labels in the order of the recipe, then labels that only held-out samples have."""
        labeled = (sample for sample in [*self.samples, *self.holdout] if "label" in sample.fields)
        return list(dict.fromkeys(sample.text("label") for sample in labeled))

    @cached_property
    def results(self) -> Results:
        """Evaluation results by (arm, training index), in the order of `holdout`."""
        return read_all(self.stages["prove"].folder) if "prove" in self.stages else {}

    @property
    def has_images(self) -> bool:
        """Whether the generated samples hold images."""
        return has_images(self.samples)

    def correct(self, arm: str) -> Values:
        """Array (trainings, items): 1 for a correct answer, 0 for a wrong or unscored one."""
        return table(self.results, arm, 0.0)

    def finished_at(self) -> str:
        """Time of the last receipt, ISO 8601 in UTC."""
        latest = max((planned.folder / "receipt.json").stat().st_mtime for planned in self.stages.values())
        return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds")


def has_images(samples: list[Sample]) -> bool:
    """Return whether the first sample holds an image."""
    return any(isinstance(value, Image) for sample in samples[:1] for value in sample.fields.values())


def table(results: Results, arm: str, missing: float = np.nan) -> Values:
    """Array (trainings, items) of an arm's scores; `missing` where an item has no score."""
    rows = [
        [row.outcome.value if isinstance(row.outcome, Score) else missing for row in arm_rows]
        for (name, _), arm_rows in sorted(results.items())
        if name == arm
    ]
    return np.asarray(rows, dtype=np.float64)


def read_all(folder: Path) -> Results:
    """Read result rows by (arm, training index), each in the order of the held-out samples."""
    results: Results = {}
    for path in parts(folder):
        for row in read_results(path):
            results.setdefault((row.arm, row.seed), []).append(row)
    return results
