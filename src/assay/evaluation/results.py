"""The numbers of an evaluation: each cell with its interval, means over subjects and tasks, and paired comparisons."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.core.score import Score, Unscored
from assay.evaluation.measures import RIGHT, Measure
from assay.evaluation.plan import Cell, choices_of
from assay.evaluation.run import Filled
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.compare import FamilyComparison, Verdict, compare
from assay.stats.inference.intervals import wilson
from assay.text.prompting.multiple_choice import item_of

UNSEEN = "an answer that cannot be read counts as wrong; a question without an answer is left out and counted"
EMPTY = "an empty answer counts as 0; a question without an answer is left out and counted"
Kind = Literal["share", "mean"]
"""Of right answers among all, or of other numbers."""


@dataclass(frozen=True)
class Spread:
    """A mean over groups, each of the same weight, and how far they lie apart."""

    mean: float
    low: float
    """Of the worst group."""
    high: float
    sd: float | None
    """None of one group."""
    groups: int


@dataclass(frozen=True)
class CellResult:
    """One line of the table."""

    cell: Cell
    n: int
    """Questions."""
    scored: int
    """Whose answer could be read."""
    unread: int
    failed: int
    accuracy: Effect | None
    """The mean over the scored and the unread, which count 0; None where nothing was answered."""
    chance: float | None
    """What guessing gives; None where there are no choices."""
    subjects: Spread | None
    """Over subjects, where there are several."""
    prompt: str
    """Digest of everything the model was given, question by question."""
    seconds: float
    tokens: int | None
    dollars: float | None
    kind: Kind
    lacking: str
    """Why the first of those that failed did; empty where none did."""
    signature: str
    """sacrebleu's, of the first answer; empty where it measured nothing."""


@dataclass(frozen=True)
class Comparison:
    """Two cells that differ in one thing, on the same questions."""

    what: str
    """model, prompt or decoding."""
    ours: Cell
    theirs: Cell
    compared: FamilyComparison
    n: int
    kind: Kind

    @property
    def verdict(self) -> Verdict:
        """Of ours; where less is better, less has helped."""
        found = self.compared.verdict
        turned: dict[Verdict, Verdict] = {"helped": "hurt", "hurt": "helped"}
        return turned.get(found, found) if self.ours.measure.better == "lower" else found


def result(filled: Filled) -> CellResult:
    """Counts one cell."""
    values = _values(filled)
    known = values[~np.isnan(values)]
    unread = sum(isinstance(one, Unscored) and one.cause == "unparsed" for one in filled.outcomes)
    rows = filled.rows
    prompts = hashlib.sha256("\n".join(row.prompt for row in rows).encode()).hexdigest()[:8]
    return CellResult(
        cell=filled.cell,
        n=len(rows),
        scored=len(known) - unread,
        unread=unread,
        failed=len(rows) - len(known),
        accuracy=_mean(known, filled.cell.measure) if len(known) else None,
        chance=_chance(filled),
        subjects=_subjects(filled, values),
        prompt=prompts,
        seconds=sum(row.seconds for row in rows),
        tokens=_sum([row.tokens for row in rows]),
        dollars=_total([row.dollars for row in rows]),
        kind=_kind(values, filled.cell.measure),
        lacking=_lacking(filled),
        signature=_signature(filled),
    )


def comparisons(filled: Sequence[Filled]) -> list[Comparison]:
    """Each cell against the first that differs from it in one thing alone, adjusted together by Holm."""
    pairs = [(what, ours, theirs) for what in ("model", "prompt", "decoding") for ours, theirs in _pairs(filled, what)]
    found, kept = [], []
    for what, ours, theirs in pairs:
        a, b = _values(ours), _values(theirs)
        both = ~(np.isnan(a) | np.isnan(b))
        if both.sum() >= 2:
            kept.append((what, ours, theirs, int(both.sum())))
            found.append((a[None, both], b[None, both]))
    if not found:
        return []
    done = compare(found, list(range(len(found))))
    return [
        Comparison(what, ours.cell, theirs.cell, one, n, _kind(np.concatenate(pair, axis=None), ours.cell.measure))
        for (what, ours, theirs, n), one, pair in zip(kept, done, found, strict=True)
    ]


def over_tasks(results: Sequence[CellResult]) -> list[tuple[Cell, Spread]]:
    """The macro average over tasks of each model, prompt, decoding and measure that several tasks have."""
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for one in results:
        groups.setdefault((one.cell.model, one.cell.manner, one.cell.decoding, one.cell.measure.name), []).append(one)
    return [
        (own[0].cell, spread([one.accuracy.estimate for one in own if one.accuracy is not None]))
        for own in groups.values()
        if len(own) > 1 and all(one.accuracy is not None for one in own)
    ]


def spread(values: Sequence[float]) -> Spread:
    """The mean of groups and how far they lie apart."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), min(values), max(values), sd, len(values))


def to_data(results: Sequence[CellResult], compared: Sequence[Comparison]) -> dict[str, Any]:
    """As JSON."""
    return {
        "cells": [{**_named(one.cell), **_numbers(one), "better": one.cell.measure.better} for one in results],
        "tasks": [{**_named(cell), "macro": asdict(found)} for cell, found in over_tasks(results)],
        "comparisons": [
            {
                "differs": one.what,
                "ours": _named(one.ours),
                "theirs": _named(one.theirs),
                "n": one.n,
                "difference": asdict(one.compared.effect),
                "p": one.compared.p,
                "adjusted_p": one.compared.adjusted_p,
                "verdict": one.verdict,
                "kind": one.kind,
            }
            for one in compared
        ],
        "counting": UNSEEN,
    }


def _named(cell: Cell) -> Mapping[str, Any]:
    return {
        "model": cell.model,
        "task": cell.task.name,
        "prompt_name": cell.manner.name,
        "decoding": asdict(cell.decoding) if cell.decoding is not None else None,
        "measure": cell.measure.name,
    }


def _numbers(one: CellResult) -> Mapping[str, Any]:
    # Part by part: a cell holds its task, with all its documents.
    plain = {part.name: getattr(one, part.name) for part in fields(one) if part.name != "cell"}
    return {name: asdict(value) if isinstance(value, Effect | Spread) else value for name, value in plain.items()}


def _values(filled: Filled) -> npt.NDArray[np.float64]:
    """(questions,): right or wrong; what cannot be read is wrong; not a number where there is no answer."""
    found = []
    for one in filled.outcomes:
        unread = isinstance(one, Unscored) and one.cause == "unparsed"
        found.append(one.value if isinstance(one, Score) else 0.0 if unread else np.nan)
    return np.asarray(found, dtype=np.float64)


def _kind(values: npt.NDArray[np.float64], measure: Measure) -> Kind:
    if measure.owner == "harness":
        return "share" if np.isin(values[~np.isnan(values)], (0, 1)).all() else "mean"
    return "share" if measure == RIGHT else "mean"


def _mean(known: npt.NDArray[np.float64], measure: Measure) -> Effect:
    """With Wilson's interval where every value is the least or the most, else the bootstrap's, inside the scale."""
    low, high = measure.low or 0.0, 1.0 if measure.high is None else measure.high
    if np.isin(known, (low, high)).all():
        found = wilson(float(np.sum(known == high)), len(known))
        ends = [one if one is None else low + (high - low) * one for one in (found.low, found.high)]
        return replace(found, estimate=float(known.mean()), low=ends[0], high=ends[1])
    found = paired_bootstrap(known, np.zeros(len(known)), seed=0).effect
    most = np.inf if measure.high is None else measure.high
    least = -np.inf if measure.low is None else measure.low
    return replace(
        found,
        low=None if found.low is None else max(least, found.low),
        high=None if found.high is None else min(most, found.high),
        method=f"bootstrap over {len(known)} questions",
    )


def _lacking(filled: Filled) -> str:
    gone = (one.reason for one in filled.outcomes if isinstance(one, Unscored) and one.cause != "unparsed")
    return next(gone, "")


def _signature(filled: Filled) -> str:
    if filled.cell.measure.owner != "text":
        return ""
    return next((one.reason for one in filled.outcomes if isinstance(one, Score)), "")


def _chance(filled: Filled) -> float | None:
    if filled.guess is not None or filled.cell.measure.owner == "text":
        return filled.guess
    if not filled.items or not all(choices_of(sample) for sample in filled.items):
        return None
    items = [item_of(sample) for sample in filled.items]
    return statistics.fmean(len(item.right) / len(item.choices) for item in items)


def _subjects(filled: Filled, values: npt.NDArray[np.float64]) -> Spread | None:
    groups: dict[str, list[float]] = {}
    for item, value in zip(filled.items, values, strict=True):
        if not np.isnan(value):
            groups.setdefault(str(item.fields.get("subject", "")), []).append(float(value))
    return spread([statistics.fmean(own) for own in groups.values()]) if len(groups) > 1 else None


def _pairs(filled: Sequence[Filled], what: str) -> list[tuple[Filled, Filled]]:
    """Of cells that are alike but for `what`: each with the first."""
    firsts: dict[tuple[object, ...], Filled] = {}
    found = []
    for one in filled:
        parts: dict[str, object] = {"model": one.cell.model, "prompt": one.cell.manner, "decoding": one.cell.decoding}
        if what == "prompt":  # likelihoods are not decoded: they stand beside every decoding
            del parts["decoding"]
        first = firsts.setdefault(
            (one.cell.task.name, one.cell.measure.name, *(value for name, value in parts.items() if name != what)), one
        )
        decodings = {one.cell.decoding, first.cell.decoding} - {None}
        if first is not one and (what != "prompt" or len(decodings) < 2):
            found.append((one, first))
    return found


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
