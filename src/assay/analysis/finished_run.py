"""From a finished run's folder to the facts of its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from assay.analysis.excerpts import conversation_before, cut
from assay.analysis.report_data import FROM, UP_TO, ScoreColumn, Specimen, Threshold
from assay.core.recipe import Recipe
from assay.core.sample import Made, Sample
from assay.core.score import Label, Outcome, Score, Unscored
from assay.pipeline.plan import Placed
from assay.pipeline.stages.arms import hashed
from assay.pipeline.stages.shards import parts, samples_of
from assay.pipeline.stages.stage import score_id
from assay.store.images import StoredImages
from assay.store.rows import DecisionRow, ResultRow, read_decisions, read_outcomes, read_results
from assay.store.shards import read_made
from assay.text.instructions.prompt import task_prompt

KEPT_SHOWN, DROPPED_SHOWN = 6, 4
"""Images or texts of each label on the page."""
TEXT_SHOWN = 400
"""Characters of a text."""
UNSORTED = "tasks of no known kind"
PAIRS = "pairs of answers"
TASKS = {"yes": "classification tasks", "no": "other tasks"}
"""What tasks are shown under, by their field `classification`."""
Values: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Results: TypeAlias = dict[tuple[str, int], list[ResultRow]]


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
                outcome for path in parts(self.done[str(score_id(column))].folder) for _, outcome in read_outcomes(path)
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
        labeled = (sample for sample in [*self.samples, *self.holdout] if "label" in sample.fields)
        return list(dict.fromkeys(sample.text("label") for sample in labeled))

    @cached_property
    def results(self) -> Results:
        """By arm and number of the training, in the order of `holdout`."""
        return read_all(self.done["prove"].folder) if "prove" in self.done else {}

    def correct(self, arm: str) -> Values:
        """(trainings, items) 1 where the item was answered rightly; what was not scored counts as not right."""
        return table(self.results, arm, 0.0)


def table(results: Results, arm: str, lacking: float = np.nan) -> Values:
    """(trainings, items): what was found of an arm; `lacking` where there is no number."""
    rows = [
        [row.outcome.value if isinstance(row.outcome, Score) else lacking for row in found]
        for (name, _), found in sorted(results.items())
        if name == arm
    ]
    return np.asarray(rows, dtype=np.float64)


def read_all(folder: Path) -> Results:
    """Rows of results by arm and number of the training, each in the order of the held-out samples."""
    found: Results = {}
    for path in parts(folder):
        for row in read_results(path):
            found.setdefault((row.arm, row.seed), []).append(row)
    return found


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
    """Some images, texts or tasks of each label, kept and dropped, chosen by a hash and not by how they look."""
    what = next((name for name in ("image", "text", "instruction") if _any_has(run.samples, name)), "text")
    rows = [nth for nth, sample in enumerate(run.samples) if what in sample.fields and _worth_showing(sample)]
    rows.sort(key=lambda nth: hashed("shown", run.samples[nth].id))
    shown: Counter[tuple[str, bool]] = Counter()
    chosen = []
    for nth in rows:
        place = (label_of(run.samples[nth]), run.decisions[nth].keep)
        if shown[place] < (KEPT_SHOWN if place[1] else DROPPED_SHOWN):
            shown[place] += 1
            chosen.append(nth)
    order = list(dict.fromkeys([*run.labels, *(label_of(sample) for sample in run.samples)]))
    chosen.sort(key=lambda nth: order.index(label_of(run.samples[nth])))
    if what != "image":
        return tuple(_specimen(run, nth, text=_words(run.samples[nth])) for nth in chosen)
    stored = StoredImages([run.done["generate"].folder])
    encoded = stored.encoded([run.samples[nth].image() for nth in chosen])
    return tuple(_specimen(run, nth, png) for nth, png in zip(chosen, encoded, strict=True))


def label_of(sample: Sample) -> str:
    """What a sample is shown under: its label, or what kind of task it is."""
    if "label" in sample.fields:
        return sample.text("label")
    if "chosen" in sample.fields:
        return PAIRS
    return TASKS.get(str(sample.fields.get("classification", "")), UNSORTED)


def _any_has(samples: Sequence[Sample], name: str) -> bool:
    return any(name in sample.fields for sample in samples)


def _worth_showing(sample: Sample) -> bool:
    """Whether there is anything to see: what stands under a label, or a task that has words."""
    return "label" in sample.fields or bool(str(sample.fields.get("instruction", "")).strip())


def _words(sample: Sample) -> str:
    """A text, a task with its answer, or with two of them, and what was said before, cut where it is long."""
    if "text" in sample.fields:
        return cut(sample.text("text"), TEXT_SHOWN)
    asked = task_prompt(sample.text("instruction"), str(sample.fields.get("input", "")))
    if before := conversation_before(sample):
        return f"{cut(before, TEXT_SHOWN)}\n\nUser: {_answered(sample, asked)}"
    return _answered(sample, asked)


def _answered(sample: Sample, asked: str) -> str:
    if "chosen" in sample.fields:
        marks = ("1", "2") if sample.fields.get("verdict") else ("✓", "✗")
        answers = [str(sample.fields.get(name, "")).strip() or "(nothing)" for name in ("chosen", "rejected")]
        shown = [f"{mark} {cut(answer, TEXT_SHOWN // 2)}" for mark, answer in zip(marks, answers, strict=True)]
        return "\n\n".join([cut(asked, TEXT_SHOWN // 2), *shown])
    answer = str(sample.fields.get("output", "")).strip()
    return cut(f"{asked}\n\n→ {answer}" if answer else asked, TEXT_SHOWN)


def finished_at(run: Finished) -> str:
    """When the last receipt was written, ISO 8601."""
    latest = max((placed.folder / "receipt.json").stat().st_mtime for placed in run.done.values())
    return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds")


def _thresholds(recipe: Recipe, column: str) -> tuple[Threshold, ...]:
    found = []
    for rule in recipe.keep:
        if getattr(rule, "column", None) != column:
            continue
        for bound, text in (("low", FROM), ("high", UP_TO)):
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
            scores.append((name, f"{outcome.value}: {outcome.answer}"))
        elif isinstance(outcome, Unscored):
            scores.append((name, f"unscored: {outcome.cause}"))
    prompt = sample.text("prompt") if "prompt" in sample.fields else ""
    return Specimen(
        id=sample.id,
        png=png,
        text=text,
        label=label_of(sample),
        prompt=prompt,
        kept=decision.keep,
        scores=tuple(scores),
        rule="" if decision.keep else decision.rule,
        reason="" if decision.keep else decision.reason,
    )
