"""Generated samples: the drop funnel, score distributions, and examples to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from assay.analysis.checks import must_add_up
from assay.analysis.excerpts import conversation_before, cut
from assay.analysis.finished_run import FinishedRun
from assay.analysis.format import number
from assay.core.effect import Effect
from assay.core.recipe import Recipe
from assay.core.sample import Failure, Sample
from assay.core.score import Label, Score, Unscored
from assay.pipeline.stages.arms import hash_seed
from assay.stats.inference.intervals import wilson
from assay.store.images import StoredImages
from assay.text.instructions.prompt import task_prompt

BINS = 30
MAX_RULES = 8
"""Rules of one filter that are listed; a filter with one rule per label may have many more."""
KEPT_EXAMPLES, DROPPED_EXAMPLES = 6, 4
"""Images or texts of each label on the page."""
MAX_TEXT = 400
"""Characters of an example text."""
UNKNOWN_KIND = "tasks of unknown kind"
PAIRS = "pairs of answers"
TASKS = {"yes": "classification tasks", "no": "other tasks"}
"""Headings of tasks by their field `classification`."""
AT_LEAST: Literal["at least"] = "at least"
AT_MOST: Literal["at most"] = "at most"


@dataclass(frozen=True)
class LabelFunnel:
    """Counts of one label's samples."""

    label: str
    requested: int
    kept: int
    dropped: int
    failed: int


@dataclass(frozen=True)
class Funnel:
    """Counts of all samples: requested = kept + dropped + failed, in total and for each label.

    Raises:
        ValueError: The counts do not add up, or one is negative.
    """

    requested: int
    kept: int
    dropped: Mapping[str, int]
    """Counts by filter; a sample counts for the first filter that dropped it."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Counts by reason."""
    by_label: tuple[LabelFunnel, ...] = ()
    dropped_by_rule: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Counts by filter and rule, for filters with several rules; the most frequent rule first."""

    def __post_init__(self) -> None:
        must_add_up("all samples", self.requested, (self.kept, self.dropped_total, self.failed_total))
        for row in self.by_label:
            must_add_up(f"label {row.label!r}", row.requested, (row.kept, row.dropped, row.failed))
        if min((0, *self.dropped.values(), *self.failed.values())) < 0:
            raise ValueError("The funnel holds a negative count.")
        for name, rules in self.dropped_by_rule.items():
            if sum(rules.values()) != self.dropped.get(name, 0):
                raise ValueError(
                    f"The rules of filter {name!r} add up to {sum(rules.values())} dropped samples, "
                    f"but the filter dropped {self.dropped.get(name, 0)}."
                )
        if self.by_label:
            sums = [sum(getattr(row, part) for row in self.by_label) for part in ("kept", "dropped", "failed")]
            totals = [self.kept, self.dropped_total, self.failed_total]
            if sums != totals:
                raise ValueError(f"The labels' kept, dropped and failed add up to {sums}, not to {totals}.")

    @property
    def kept_fraction(self) -> float | None:
        """Kept samples as a fraction of the requested ones; None if nothing was requested."""
        return self.kept / self.requested if self.requested else None

    @property
    def dropped_total(self) -> int:
        """Samples dropped by any filter."""
        return sum(self.dropped.values())

    @property
    def failed_total(self) -> int:
        """Samples that failed for any reason."""
        return sum(self.failed.values())


@dataclass(frozen=True)
class Threshold:
    """A threshold that a filter applies to a score."""

    value: float
    keeps: Literal["at least", "at most"]
    """Which scores are kept: those of at least, or at most, `value`."""

    @property
    def text(self) -> str:
        """Rule as the page writes it, such as "keep ≥ 0.5"."""
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
    thresholds: tuple[Threshold, ...] = ()
    outside: Effect | None = None
    """Fraction of scored samples outside the thresholds, with Wilson's interval; None without a threshold."""
    unscored: Mapping[str, int] = field(default_factory=dict)
    """Samples without a score, by cause."""


@dataclass(frozen=True)
class Example:
    """One generated image or text."""

    id: str
    """Sample ID, for `assay why`."""
    png: bytes
    """Inlined image, 28 to 256 pixels wide; empty for a text."""
    label: str
    prompt: str
    kept: bool
    scores: Mapping[str, float | str] = field(default_factory=dict)
    """Score, or answer of a classifier, by column."""
    rule: str = ""
    """Filter rule that dropped it."""
    reason: str = ""
    text: str = ""
    """Beginning of the text; empty for an image."""


def funnel(run: FinishedRun) -> Funnel:
    """Count kept, dropped and failed samples in total, by rule and by label."""
    label_of_seed = {seed.id: seed.text("label") for seed in run.recipe.generate.seeds() if "label" in seed.fields}
    kept = {row.id for row in run.decisions if row.keep}
    dropped = Counter(row.filter for row in run.decisions if not row.keep)
    failed = Counter(row.reason for row in run.made if isinstance(row, Failure))
    by_label: dict[str, Counter[str]] = {label: Counter() for label in label_of_seed.values()}
    for row in run.made:
        if isinstance(row, Failure):
            by_label.setdefault(label_of_seed.get(row.seed, ""), Counter())["failed"] += 1
        elif "label" in row.fields:
            by_label.setdefault(row.text("label"), Counter())["kept" if row.id in kept else "dropped"] += 1
    rows = tuple(
        LabelFunnel(label, sum(counts.values()), counts["kept"], counts["dropped"], counts["failed"])
        for label, counts in by_label.items()
    )
    complete = sum(row.requested for row in rows) == len(run.made)
    return Funnel(len(run.made), len(kept), dropped, failed, rows if complete else (), _dropped_by_rule(run))


def _dropped_by_rule(run: FinishedRun) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in run.decisions:
        if not row.keep:
            counts.setdefault(row.filter, Counter())[row.rule] += 1
    return {name: dict(rules.most_common()) for name, rules in counts.items() if len(rules) > 1}


def few_rules(rules: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the first `MAX_RULES` rules of a filter, the last of them a sum of all others."""
    rows = list(rules.items())
    if len(rows) <= MAX_RULES:
        return rows
    others = rows[MAX_RULES - 1 :]
    return [*rows[: MAX_RULES - 1], (f"{len(others)} other rules", sum(number for _, number in others))]


def score_columns(run: FinishedRun) -> tuple[ScoreColumn, ...]:
    """Describe every score column, split by the filters' decision."""
    keep = [row.keep for row in run.decisions]
    columns = []
    for name, scorer in run.recipe.score.items():
        outcomes = run.columns[name]
        pairs = [(o.value, kept) for o, kept in zip(outcomes, keep, strict=True) if isinstance(o, Score)]
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
                unscored=Counter(o.cause for o in outcomes if isinstance(o, Unscored)),
            )
        )
    return tuple(columns)


def _thresholds(recipe: Recipe, column: str) -> tuple[Threshold, ...]:
    found = []
    for rule in recipe.keep:
        if getattr(rule, "column", None) != column:
            continue
        low, high = getattr(rule, "low", None), getattr(rule, "high", None)
        found += [Threshold(float(low), AT_LEAST)] if low is not None else []
        found += [Threshold(float(high), AT_MOST)] if high is not None else []
    return tuple(found)


def histogram(
    kept: Sequence[float], dropped: Sequence[float], thresholds: Sequence[Threshold] = ()
) -> Histogram | None:
    """Count scores in `BINS` bins that cover all scores and thresholds; None without a score."""
    if not kept and not dropped:
        return None
    marks = [*kept, *dropped, *(threshold.value for threshold in thresholds)]
    low, high = min(marks), max(marks)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    counts = (np.histogram(part, edges)[0].tolist() for part in (kept, dropped))
    kept_counts, dropped_counts = (tuple(map(int, part)) for part in counts)
    return Histogram(tuple(edges.tolist()), kept_counts, dropped_counts)


def outside(values: Sequence[float], thresholds: Sequence[Threshold]) -> Effect | None:
    """Estimate the fraction of scores outside the thresholds, with Wilson's interval."""
    if not thresholds or not values:
        return None
    count = sum(
        any(value < one.value if one.keeps == AT_LEAST else value > one.value for one in thresholds) for value in values
    )
    return wilson(count, len(values))


def examples(run: FinishedRun) -> tuple[Example, ...]:
    """Select kept and dropped images, texts or tasks of each label by a hash of their IDs."""
    what = next((name for name in ("image", "text", "instruction") if _any_has(run.samples, name)), "text")
    rows = [nth for nth, sample in enumerate(run.samples) if what in sample.fields and _has_content(sample)]
    rows.sort(key=lambda nth: hash_seed("shown", run.samples[nth].id))
    counts: Counter[tuple[str, bool]] = Counter()
    chosen = []
    for nth in rows:
        group = (label_of(run.samples[nth]), run.decisions[nth].keep)
        if counts[group] < (KEPT_EXAMPLES if group[1] else DROPPED_EXAMPLES):
            counts[group] += 1
            chosen.append(nth)
    order = list(dict.fromkeys([*run.labels, *(label_of(sample) for sample in run.samples)]))
    chosen.sort(key=lambda nth: order.index(label_of(run.samples[nth])))
    if what != "image":
        return tuple(_example(run, nth, text=_text_of(run.samples[nth])) for nth in chosen)
    stored = StoredImages([run.done["generate"].folder])
    encoded = stored.encoded([run.samples[nth].image() for nth in chosen])
    return tuple(_example(run, nth, png) for nth, png in zip(chosen, encoded, strict=True))


def _example(run: FinishedRun, nth: int, png: bytes = b"", text: str = "") -> Example:
    sample, decision = run.samples[nth], run.decisions[nth]
    scores: dict[str, float | str] = {}
    for name, outcomes in run.columns.items():
        outcome = outcomes[nth]
        if isinstance(outcome, Score):
            scores[name] = outcome.value
        elif isinstance(outcome, Label):
            scores[name] = f"{outcome.value}: {outcome.answer}"
        elif isinstance(outcome, Unscored):
            scores[name] = f"unscored: {outcome.cause}"
    return Example(
        id=sample.id,
        png=png,
        text=text,
        label=label_of(sample),
        prompt=sample.text("prompt") if "prompt" in sample.fields else "",
        kept=decision.keep,
        scores=scores,
        rule="" if decision.keep else decision.rule,
        reason="" if decision.keep else decision.reason,
    )


def label_of(sample: Sample) -> str:
    """Return the heading of a sample: its label, or the kind of task."""
    if "label" in sample.fields:
        return sample.text("label")
    if "chosen" in sample.fields:
        return PAIRS
    return TASKS.get(str(sample.fields.get("classification", "")), UNKNOWN_KIND)


def _any_has(samples: Sequence[Sample], name: str) -> bool:
    return any(name in sample.fields for sample in samples)


def _has_content(sample: Sample) -> bool:
    return "label" in sample.fields or bool(str(sample.fields.get("instruction", "")).strip())


def _text_of(sample: Sample) -> str:
    """A text, or a task with its conversation and answers, truncated."""
    if "text" in sample.fields:
        return cut(sample.text("text"), MAX_TEXT)
    task = task_prompt(sample.text("instruction"), str(sample.fields.get("input", "")))
    if before := conversation_before(sample):
        return f"{cut(before, MAX_TEXT)}\n\nUser: {_with_answers(sample, task)}"
    return _with_answers(sample, task)


def _with_answers(sample: Sample, task: str) -> str:
    if "chosen" in sample.fields:
        marks = ("1", "2") if sample.fields.get("verdict") else ("✓", "✗")
        answers = [str(sample.fields.get(name, "")).strip() or "(empty)" for name in ("chosen", "rejected")]
        lines = [f"{mark} {cut(answer, MAX_TEXT // 2)}" for mark, answer in zip(marks, answers, strict=True)]
        return "\n\n".join([cut(task, MAX_TEXT // 2), *lines])
    answer = str(sample.fields.get("output", "")).strip()
    return cut(f"{task}\n\n→ {answer}" if answer else task, MAX_TEXT)
