"""Examples of kept and dropped samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assay.analysis.excerpts import conversation_before, cut
from assay.analysis.finished_run import FinishedRun
from assay.core.lab import hash_seed
from assay.core.sample import Sample
from assay.core.score import Label, Score, Unscored
from assay.store.images import StoredImages
from assay.text.instructions.dialogues import task_prompt

KEPT_EXAMPLES, DROPPED_EXAMPLES = 6, 4
"""Images or texts of each label on the page."""
MAX_TEXT = 400
"""Characters of an example text."""
UNKNOWN_KIND = "tasks of unknown kind"
PAIRS = "pairs of answers"
TASK_KINDS = {"yes": "classification tasks", "no": "other tasks"}
"""Headings of tasks by their field `classification`."""


@dataclass(frozen=True)
class SampleExample:
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


def examples(run: FinishedRun) -> tuple[SampleExample, ...]:
    """Select kept and dropped images, texts or tasks of each label by a hash of their IDs."""
    field_name = next((name for name in ("image", "text", "instruction") if _any_has(run.samples, name)), "text")
    rows = [nth for nth, sample in enumerate(run.samples) if field_name in sample.fields and _has_content(sample)]
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
    if field_name != "image":
        return tuple(_example(run, nth, text=_text_of(run.samples[nth])) for nth in chosen)
    stored = StoredImages([run.stages["generate"].folder])
    encoded = stored.encoded([run.samples[nth].image() for nth in chosen])
    return tuple(_example(run, nth, png) for nth, png in zip(chosen, encoded, strict=True))


def _example(run: FinishedRun, nth: int, png: bytes = b"", text: str = "") -> SampleExample:
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
    return SampleExample(
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
    return TASK_KINDS.get(str(sample.fields.get("classification", "")), UNKNOWN_KIND)


def _any_has(samples: Sequence[Sample], name: str) -> bool:
    return any(name in sample.fields for sample in samples)


def _has_content(sample: Sample) -> bool:
    return "label" in sample.fields or bool(str(sample.fields.get("instruction", "")).strip())


def _text_of(sample: Sample) -> str:
    """Return a text, or a task with its conversation and answers, truncated."""
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
