"""Distributions of the scores of kept and dropped samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from assay.analysis.finished_run import FinishedRun
from assay.analysis.format import number
from assay.core.effect import Effect
from assay.core.recipe import Recipe
from assay.core.score import Score, Unscored
from assay.stats.inference.intervals import wilson

BINS = 30
AT_LEAST: Literal["at least"] = "at least"
AT_MOST: Literal["at most"] = "at most"


@dataclass(frozen=True)
class ScoreThreshold:
    """A threshold that a filter applies to a score."""

    value: float
    keeps: Literal["at least", "at most"]
    """Which scores are kept: those of at least, or at most, `value`."""

    def accepts(self, value: float) -> bool:
        """Return whether the filter keeps a sample with this score."""
        return value >= self.value if self.keeps == AT_LEAST else value <= self.value

    @property
    def text(self) -> str:
        """The rule on the page, such as "keep ≥ 0.5"."""
        return f"keep {'≥' if self.keeps == AT_LEAST else '≤'} {number(self.value)}"


@dataclass(frozen=True)
class Histogram:
    """Counts of kept and dropped samples in bins of equal width; bin i is edges[i] to edges[i + 1]."""

    edges: tuple[float, ...]
    kept: tuple[int, ...]
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class ScoreColumn:
    """Distribution of one score over kept and dropped samples."""

    name: str
    unit: str
    kept: int
    """Kept samples with a score."""
    dropped: int
    """Dropped samples with a score."""
    histogram: Histogram | None
    """None if no sample has a score."""
    low: float | None = None
    """Lower bound of the scale."""
    high: float | None = None
    better: Literal["higher", "lower", "neither"] = "higher"
    thresholds: tuple[ScoreThreshold, ...] = ()
    outside: Effect | None = None
    """Fraction of scored samples outside the thresholds, with Wilson's interval; None without a threshold."""
    unscored: Mapping[str, int] = field(default_factory=dict)
    """Samples without a score, by cause."""


def score_columns(run: FinishedRun) -> tuple[ScoreColumn, ...]:
    """Describe every score column, split by the filters' decision."""
    keep = [row.keep for row in run.decisions]
    columns = []
    for name, scorer in run.recipe.score.items():
        outcomes = run.columns[name]
        pairs = [(score.value, kept) for score, kept in zip(outcomes, keep, strict=True) if isinstance(score, Score)]
        if not pairs:
            continue
        kept_values, dropped_values = ([value for value, kept in pairs if kept is side] for side in (True, False))
        thresholds = _thresholds(run.recipe, name)
        columns.append(
            ScoreColumn(
                name=name,
                unit=scorer.scale.unit,
                kept=len(kept_values),
                dropped=len(dropped_values),
                histogram=histogram(kept_values, dropped_values, thresholds),
                low=scorer.scale.low,
                high=scorer.scale.high,
                better=scorer.scale.better,
                thresholds=thresholds,
                outside=outside([*kept_values, *dropped_values], thresholds),
                unscored=Counter(outcome.cause for outcome in outcomes if isinstance(outcome, Unscored)),
            )
        )
    return tuple(columns)


def _thresholds(recipe: Recipe, column: str) -> tuple[ScoreThreshold, ...]:
    thresholds = []
    for rule in recipe.keep:
        if getattr(rule, "column", None) != column:
            continue
        low, high = getattr(rule, "low", None), getattr(rule, "high", None)
        thresholds += [ScoreThreshold(float(low), AT_LEAST)] if low is not None else []
        thresholds += [ScoreThreshold(float(high), AT_MOST)] if high is not None else []
    return tuple(thresholds)


def histogram(
    kept: Sequence[float], dropped: Sequence[float], thresholds: Sequence[ScoreThreshold] = ()
) -> Histogram | None:
    """Count scores in `BINS` bins that cover all scores and thresholds; None without a score."""
    if not kept and not dropped:
        return None
    covered = [*kept, *dropped, *(threshold.value for threshold in thresholds)]
    low, high = min(covered), max(covered)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    counts = (np.histogram(part, edges)[0].tolist() for part in (kept, dropped))
    kept_counts, dropped_counts = (tuple(map(int, part)) for part in counts)
    return Histogram(tuple(edges.tolist()), kept_counts, dropped_counts)


def outside(values: Sequence[float], thresholds: Sequence[ScoreThreshold]) -> Effect | None:
    """Estimate the fraction of scores outside the thresholds, with Wilson's interval."""
    if not thresholds or not values:
        return None
    rejected = sum(not all(threshold.accepts(value) for threshold in thresholds) for value in values)
    return wilson(rejected, len(values))
