"""Selection by each score alone: which samples each score would keep, and how much the selections overlap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.analysis.finished_run import FinishedRun
from assay.core.effect import Effect
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.stats.distributions.selection import Bools, SelectionOverlap, TopSelection, best, selection_overlap, spearman

Floats = npt.NDArray[np.float64]
TEXT_FIELDS = ("output", "text")
"""Generated text: the first of these fields that every sample has."""


@dataclass(frozen=True)
class SelectionByScore:
    """The best samples by one score, as many as the filters kept."""

    name: str
    better: Literal["higher", "lower"]
    kept: int
    """Fewer than the filters kept if fewer samples have a score within the filters' thresholds."""
    outside: int
    """Samples excluded by a threshold at the better end of the score."""
    tied: int
    """Samples with the value of the last selected one."""
    tied_kept: int
    with_filters: SelectionOverlap | None
    """Overlap with the samples that the filters kept."""
    words: float | None
    """Mean number of words of the selected samples; None without texts."""


@dataclass(frozen=True)
class ScorePairOverlap:
    """Overlap of the selections of two scores."""

    first: str
    second: str
    overlap: SelectionOverlap | None
    """None if one of the scores selects nothing."""
    rho: Effect | None
    """Spearman's rank correlation, scores signed so that higher is better; None if one of them is constant."""


@dataclass(frozen=True)
class ScoreSelection:
    """Selections of two or more scores, each used alone."""

    samples: int
    kept: int
    """Samples that the filters kept; each score selects as many."""
    scores: tuple[SelectionByScore, ...]
    pairs: tuple[ScorePairOverlap, ...]
    words: float | None = None
    """Mean number of words of all samples."""
    words_kept: float | None = None
    """Mean number of words of the samples that the filters kept."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Scores that select nothing, with the reason."""


def score_selection(run: FinishedRun) -> ScoreSelection | None:
    """Select by each score alone; None with fewer than two usable scores, or if the filters kept all or nothing."""
    ids, kept = [sample.id for sample in run.samples], np.asarray([row.keep for row in run.decisions], dtype=np.bool_)
    count = int(kept.sum())
    if not 0 < count < len(ids):
        return None
    values, left_out = _values(run)
    if len(values) < 2:
        return None
    words = _words(run.samples)
    excluded = {name: _excluded(run, name, column) for name, column in values.items()}
    selections = {
        name: best(np.where(excluded[name], math.nan, column), ids, count, higher=_higher(run, name))
        for name, column in values.items()
    }
    return ScoreSelection(
        samples=len(ids),
        kept=count,
        scores=tuple(
            _selection(name, run.recipe.score[name].scale, selection, kept, words, int(excluded[name].sum()))
            for name, selection in selections.items()
        ),
        pairs=tuple(_pair(run, pair, values, selections) for pair in combinations(selections, 2)),
        words=_mean(words, np.ones(len(ids), dtype=np.bool_)),
        words_kept=_mean(words, kept),
        left_out=left_out,
    )


def _values(run: FinishedRun) -> tuple[dict[str, Floats], dict[str, str]]:
    """Return the values of every usable score, and the reason why another one is left out."""
    usable, left_out = {}, {}
    for name, scorer in run.recipe.score.items():
        outcomes = run.columns[name]
        if not any(isinstance(outcome, Score) for outcome in outcomes):
            continue
        if scorer.scale.better == "neither":
            left_out[name] = "its scale has no better direction"
            continue
        values = _numbers(outcomes)
        if len(set(values[~np.isnan(values)])) < 2:
            left_out[name] = "it is constant"
            continue
        usable[name] = values
    return usable, left_out


def _numbers(outcomes: Sequence[Outcome]) -> Floats:
    values = [outcome.value if isinstance(outcome, Score) else math.nan for outcome in outcomes]
    return np.asarray(values, dtype=np.float64)


def _higher(run: FinishedRun, name: str) -> bool:
    return run.recipe.score[name].scale.better == "higher"


def _excluded(run: FinishedRun, name: str, values: Floats) -> Bools:
    """Return whether a filter's threshold at the better end of the score excludes each sample."""
    higher = _higher(run, name)
    thresholds = [
        float(threshold)
        for rule in run.recipe.keep
        if getattr(rule, "column", None) == name
        and isinstance(threshold := getattr(rule, "high" if higher else "low", None), int | float)
    ]
    if not thresholds:
        return np.zeros(len(values), dtype=np.bool_)
    return values > min(thresholds) if higher else values < max(thresholds)


def _selection(
    name: str, scale: Scale, selection: TopSelection, kept: Bools, words: Floats | None, outside: int
) -> SelectionByScore:
    assert scale.better != "neither"
    return SelectionByScore(
        name=name,
        better=scale.better,
        kept=int(selection.chosen.sum()),
        outside=outside,
        tied=selection.tied,
        tied_kept=selection.tied_chosen,
        with_filters=selection_overlap(selection.chosen, kept),
        words=_mean(words, selection.chosen),
    )


def _pair(
    run: FinishedRun, pair: tuple[str, str], values: Mapping[str, Floats], selections: Mapping[str, TopSelection]
) -> ScorePairOverlap:
    overlap = selection_overlap(*(selections[name].chosen for name in pair))
    first, second = (values[name] if _higher(run, name) else -values[name] for name in pair)
    return ScorePairOverlap(*pair, overlap, spearman(first, second))


def _words(samples: Sequence[Sample]) -> Floats | None:
    """Count the space-separated words of each sample; None without texts."""
    for name in TEXT_FIELDS:
        if all(isinstance(sample.fields.get(name), str) for sample in samples):
            return np.asarray([len(sample.text(name).split()) for sample in samples], dtype=np.float64)
    return None


def _mean(words: Floats | None, chosen: Bools) -> float | None:
    return float(words[chosen].mean()) if words is not None and chosen.any() else None
