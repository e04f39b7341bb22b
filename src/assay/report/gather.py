"""From a finished run's folder to the facts of its report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from assay.core.effect import Effect
from assay.core.recipe import ARMS, Recipe
from assay.core.sample import Made, Sample
from assay.core.score import Label, Outcome, Score, Unscored
from assay.pipeline.arms import hashed
from assay.pipeline.plan import Placed
from assay.pipeline.stages import parts, samples_of
from assay.report.excerpts import cut
from assay.report.facts import (
    Arm,
    Comparison,
    Curve,
    ScoreColumn,
    Specimen,
    Threshold,
)
from assay.stats.compare import compare
from assay.stats.intervals import wilson
from assay.store.images import StoredImages
from assay.store.rows import DecisionRow, ResultRow, read_decisions, read_outcomes, read_results
from assay.store.shards import read_made

KEPT_SHOWN, DROPPED_SHOWN = 6, 4
TEXT_SHOWN = 400
"""Characters of a text."""
"""Pictures of each label on the page."""
CURVE_POINTS = 200
"""Of a training curve, at most about this many."""
COMPARISONS = (
    ("filtered", "random-drop"),
    ("filtered", "unfiltered"),
    ("filtered", "real"),
    ("filtered", "shuffled-labels"),
    ("unfiltered", "real"),
    ("mixed", "few-real"),
    ("filtered", "few-real"),
    ("filtered", "nearest-real"),
)
"""Pairs that are compared where both arms are there, the question's own first."""


@dataclass(frozen=True)
class Finished:
    """A finished run, read once."""

    folder: Path
    recipe: Recipe
    done: Mapping[str, Placed]

    @cached_property
    def made(self) -> list[Made]:
        """Everything that was asked of the generator, in order."""
        return [row for path in parts(self.done["generate"].folder) for row in read_made(path)]

    @cached_property
    def samples(self) -> list[Sample]:
        """What it made."""
        return [row for row in self.made if isinstance(row, Sample)]

    @cached_property
    def columns(self) -> dict[str, list[Outcome]]:
        """Outcomes by column, in the order of `samples`."""
        return {
            column: [
                outcome for path in parts(self.done[f"score-{column}"].folder) for _, outcome in read_outcomes(path)
            ]
            for column in self.recipe.score
        }

    @cached_property
    def decisions(self) -> list[DecisionRow]:
        """In the order of `samples`."""
        return read_decisions(self.done["keep"].folder / "decisions.parquet")

    @cached_property
    def holdout(self) -> list[Sample]:
        """The real samples that every model was measured on."""
        return samples_of(self.done["holdout"].folder) if "holdout" in self.done else []

    @cached_property
    def labels(self) -> list[str]:
        """In the order of the recipe, then those that only held-out samples have: the order of every table."""
        labelled = (sample for sample in [*self.samples, *self.holdout] if "label" in sample.fields)
        return list(dict.fromkeys(sample.text("label") for sample in labelled))

    @cached_property
    def results(self) -> dict[tuple[str, int], list[ResultRow]]:
        """By arm and number of the training, in the order of `holdout`."""
        found: dict[tuple[str, int], list[ResultRow]] = {}
        for path in parts(self.done["prove"].folder) if "prove" in self.done else []:
            for row in read_results(path):
                found.setdefault((row.arm, row.seed), []).append(row)
        return found

    def correct(self, arm: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(trainings, items) 1 where the item was answered rightly; what was not scored counts as not right."""
        rows = [
            [row.outcome.value if isinstance(row.outcome, Score) else 0.0 for row in found]
            for (name, _), found in sorted(self.results.items())
            if name == arm
        ]
        return np.asarray(rows, dtype=np.float64)


def arms(run: Finished) -> tuple[Arm, ...]:
    """Every arm that was trained, with its accuracy and its curves."""
    if run.recipe.prove is None:
        return ()
    found = []
    for name in run.recipe.prove.arms:
        stages = [run.done[f"train-{name}-{nth}"] for nth in range(run.recipe.prove.seeds)]
        receipts = [stage.receipt for stage in stages if stage.receipt is not None]
        correct = run.correct(name)
        found.append(
            Arm(
                name=name,
                trained_on=ARMS[name],
                n_samples=receipts[0].counts["samples"],
                steps=receipts[0].counts["steps"],
                seeds=tuple(range(len(stages))),
                accuracy=_accuracy(correct),
                seed_accuracies=tuple(map(float, correct.mean(axis=1))),
                per_class=_per_class(run, correct),
                history=tuple(_curve(nth, stage.folder) for nth, stage in enumerate(stages)),
                seconds=sum(receipt.seconds for receipt in receipts),
            )
        )
    return tuple(found)


def comparisons(run: Finished) -> tuple[Comparison, ...]:
    """Pairs of arms on the same items, their p-values adjusted for one another."""
    names, asked = (run.recipe.prove.arms, run.recipe.prove.answer) if run.recipe.prove else ((), ())
    first = [(asked[0], asked[1])] if asked else []
    pairs = list(dict.fromkeys([*first, *(pair for pair in COMPARISONS if set(pair) <= set(names))]))
    seeds = [hashed(run.recipe.seed, "bootstrap", *pair) % 2**32 for pair in pairs]
    compared = compare([(run.correct(ours), run.correct(theirs)) for ours, theirs in pairs], seeds)
    return tuple(
        Comparison(
            ours,
            theirs,
            one.effect,
            p=one.p,
            adjusted_p=one.adjusted_p,
            mcnemar_p=one.mcnemar.p if one.mcnemar else None,
            ours_only=one.mcnemar.ours_only if one.mcnemar else None,
            theirs_only=one.mcnemar.theirs_only if one.mcnemar else None,
        )
        for (ours, theirs), one in zip(pairs, compared, strict=True)
    )


def score_columns(run: Finished) -> tuple[ScoreColumn, ...]:
    """Every column of numbers, parted by what the filters decided."""
    keep = [row.keep for row in run.decisions]
    found = []
    for name, scorer in run.recipe.score.items():
        outcomes = run.columns[name]
        pairs = [(o.value, kept) for o, kept in zip(outcomes, keep, strict=True) if isinstance(o, Score)]
        if not pairs:
            continue
        found.append(
            ScoreColumn(
                name=name,
                unit=scorer.scale.unit,
                kept=tuple(value for value, kept in pairs if kept),
                dropped=tuple(value for value, kept in pairs if not kept),
                low=scorer.scale.low,
                high=scorer.scale.high,
                better=scorer.scale.better,
                thresholds=_thresholds(run.recipe, name),
                unscored=Counter(o.cause for o in outcomes if isinstance(o, Unscored)),
            )
        )
    return tuple(found)


def specimens(run: Finished) -> tuple[Specimen, ...]:
    """Some pictures or texts of each label, kept and dropped, chosen by a hash and not by how they look."""
    what = "image" if any("image" in sample.fields for sample in run.samples) else "text"
    rows = [nth for nth, sample in enumerate(run.samples) if what in sample.fields and "label" in sample.fields]
    rows.sort(key=lambda nth: hashed("shown", run.samples[nth].id))
    shown: Counter[tuple[str, bool]] = Counter()
    chosen = []
    for nth in rows:
        place = (run.samples[nth].text("label"), run.decisions[nth].keep)
        if shown[place] < (KEPT_SHOWN if place[1] else DROPPED_SHOWN):
            shown[place] += 1
            chosen.append(nth)
    chosen.sort(key=lambda nth: run.labels.index(run.samples[nth].text("label")))
    if what == "text":
        return tuple(_specimen(run, nth, text=cut(run.samples[nth].text("text"), TEXT_SHOWN)) for nth in chosen)
    stored = StoredImages([run.done["generate"].folder])
    encoded = stored.encoded([run.samples[nth].image() for nth in chosen])
    return tuple(_specimen(run, nth, png) for nth, png in zip(chosen, encoded, strict=True))


def finished_at(run: Finished) -> str:
    """When the last receipt was written, ISO 8601."""
    latest = max((placed.folder / "receipt.json").stat().st_mtime for placed in run.done.values())
    return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds")


def _accuracy(correct: np.ndarray[Any, np.dtype[np.float64]]) -> Effect:
    """Mean over trainings; Wilson's interval at the mean, so it speaks of the items and not of the trainings."""
    items = correct.shape[1]
    return wilson(round(float(correct.mean()) * items), items)


def _per_class(run: Finished, correct: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[tuple[str, Effect], ...]:
    labels = [sample.text("label") for sample in run.holdout]
    found = []
    for label in (label for label in run.labels if label in labels):
        member = np.asarray([other == label for other in labels])
        found.append((label, _accuracy(correct[:, member])))
    return tuple(found)


def _curve(nth: int, folder: Path) -> Curve:
    path = folder / "history.json"
    if not path.is_file():  # a trainer need not leave one
        return Curve(nth, ())
    rows = json.loads(path.read_text(encoding="utf-8"))
    thin = max(1, len(rows) // CURVE_POINTS)
    return Curve(nth, tuple((int(step), float(loss)) for step, loss, _ in rows[::thin]))


def _thresholds(recipe: Recipe, column: str) -> tuple[Threshold, ...]:
    found = []
    for rule in recipe.keep:
        if getattr(rule, "column", None) != column:
            continue
        for bound, text in (("low", "keep from here up"), ("high", "keep up to here")):
            value = getattr(rule, bound, None)
            if value is not None:
                found.append(Threshold(float(value), text))
    return tuple(found)


def _specimen(run: Finished, nth: int, png: bytes = b"", text: str = "") -> Specimen:
    sample, decision = run.samples[nth], run.decisions[nth]
    scores: list[tuple[str, float | str]] = []
    for name, outcomes in run.columns.items():
        outcome = outcomes[nth]
        if isinstance(outcome, Score):
            scores.append((name, outcome.value))
        elif isinstance(outcome, Label):
            scores.append((name, f"{outcome.value}: {outcome.answer}" if outcome.answer else outcome.value))
        elif isinstance(outcome, Unscored):
            scores.append((name, f"unscored: {outcome.cause}"))
    prompt = sample.text("prompt") if "prompt" in sample.fields else ""
    return Specimen(
        id=sample.id,
        png=png,
        text=text,
        label=sample.text("label"),
        prompt=prompt,
        kept=decision.keep,
        scores=tuple(scores),
        rule="" if decision.keep else decision.rule,
        reason="" if decision.keep else decision.reason,
    )
