"""From a finished run's folder to what each of its scores alone would have kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from assay.analysis.choices import Agree, ChoiceOf, Choices
from assay.analysis.finished_run import Finished
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.stats.distributions.selection import Bools, TopSelection, best, selection_overlap, spearman

Floats = npt.NDArray[np.float64]
TEXTS = ("output", "text")
"""Fields that are what was made, the first that a sample has."""


def choices(run: Finished) -> Choices | None:
    """What each score would keep; None where there are fewer than two that choose, or nothing to choose between."""
    ids, kept = [sample.id for sample in run.samples], np.asarray([row.keep for row in run.decisions], dtype=np.bool_)
    count = int(kept.sum())
    if not 0 < count < len(ids):
        return None
    values, left_out = _values(run)
    if len(values) < 2:
        return None
    words = _words(run.samples)
    beyond = {name: _beyond(run, name, own) for name, own in values.items()}
    found = {
        name: best(np.where(beyond[name], math.nan, own), ids, count, higher=_higher(run, name))
        for name, own in values.items()
    }
    return Choices(
        samples=len(ids),
        kept=count,
        scores=tuple(
            _choice(name, run.recipe.score[name].scale, one, kept, words, int(beyond[name].sum()))
            for name, one in found.items()
        ),
        pairs=tuple(_pair(run, pair, values, found) for pair in combinations(found, 2)),
        words=_mean(words, np.ones(len(ids), dtype=np.bool_)),
        words_kept=_mean(words, kept),
        left_out=left_out,
    )


def _values(run: Finished) -> tuple[dict[str, Floats], dict[str, str]]:
    """Numbers of every column that has some and says which way is better, and why another one is left out."""
    found, left_out = {}, {}
    for name, scorer in run.recipe.score.items():
        outcomes = run.columns[name]
        if not any(isinstance(one, Score) for one in outcomes):
            continue
        if scorer.scale.better == "neither":
            left_out[name] = "its scale does not say which way is better"
            continue
        own = _numbers(outcomes)
        if len(set(own[~np.isnan(own)])) < 2:
            left_out[name] = "it gives every sample the same"
            continue
        found[name] = own
    return found, left_out


def _numbers(outcomes: Sequence[Outcome]) -> Floats:
    return np.asarray([one.value if isinstance(one, Score) else math.nan for one in outcomes], dtype=np.float64)


def _higher(run: Finished, name: str) -> bool:
    return run.recipe.score[name].scale.better == "higher"


def _beyond(run: Finished, name: str, values: Floats) -> Bools:
    """What a filter's line cuts off at the good end, such as difficulties above 1: the best are below it."""
    higher = _higher(run, name)
    lines = [
        float(line)
        for rule in run.recipe.keep
        if getattr(rule, "column", None) == name
        and isinstance(line := getattr(rule, "high" if higher else "low", None), int | float)
    ]
    if not lines:
        return np.zeros(len(values), dtype=np.bool_)
    return values > min(lines) if higher else values < max(lines)


def _choice(name: str, scale: Scale, one: TopSelection, kept: Bools, words: Floats | None, beyond: int) -> ChoiceOf:
    assert scale.better != "neither"
    return ChoiceOf(
        name=name,
        better=scale.better,
        kept=int(one.chosen.sum()),
        beyond=beyond,
        tied=one.tied,
        tied_kept=one.tied_chosen,
        filters=selection_overlap(one.chosen, kept),
        words=_mean(words, one.chosen),
    )


def _pair(
    run: Finished, pair: tuple[str, str], values: Mapping[str, Floats], found: Mapping[str, TopSelection]
) -> Agree:
    ours, theirs = pair
    one, other = (values[name] if _higher(run, name) else -values[name] for name in pair)
    return Agree(ours, theirs, selection_overlap(found[ours].chosen, found[theirs].chosen), spearman(one, other))


def _words(samples: Sequence[Sample]) -> Floats | None:
    """Words of each sample, between spaces; None where they are no texts."""
    name = next((name for name in TEXTS if all(isinstance(one.fields.get(name), str) for one in samples)), None)
    return None if name is None else np.asarray([len(one.text(name).split()) for one in samples], dtype=np.float64)


def _mean(words: Floats | None, chosen: Bools) -> float | None:
    return float(words[chosen].mean()) if words is not None and chosen.any() else None
