"""MMLU subjects, their five-shot prompts and timed turns; for mmlu.py, mmlu_harness.py and published_models.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from assay.components.sources.tasks.mmlu import Mmlu
from assay.core.completions import Continuations, NotCompleted
from assay.models.loading import Device
from assay.models.registry import open_model
from assay.text.prompting.multiple_choice import MultipleChoiceItem, continuations, item_of, mmlu_prompt, scores

WANTED = 2.0
"""How many times as fast as the harness."""
SHOTS = 5
Numbers: TypeAlias = tuple[tuple[float, ...], ...]
"""(questions, letters): log-probabilities."""
Times: TypeAlias = tuple[float, float]
"""Seconds of a turn, by the clock and of the processor."""


@dataclass(frozen=True)
class Subject:
    """Questions of one subject, and what is asked about them."""

    name: str
    items: tuple[MultipleChoiceItem, ...]
    examples: tuple[MultipleChoiceItem, ...]

    @property
    def asked(self) -> list[Continuations]:
        return [continuations(item, mmlu_prompt(item, self.examples), "letter") for item in self.items]


Way: TypeAlias = Callable[[Sequence[Subject]], dict[str, Numbers]]
"""Asks some subjects."""


@dataclass(frozen=True)
class Turns:
    """What one way found, and how long each of its turns took."""

    found: dict[str, Numbers]
    times: list[Times]


def read_subjects(folder: Path, items: int | None, names: Sequence[str] = ()) -> list[Subject]:
    """The first `items` questions of each subject, or all; all subjects where none is named."""
    lab: Any = None  # questions have no images
    by_name: dict[str, dict[str, list[MultipleChoiceItem]]] = {}
    for split, limit in (("test", items), ("dev", SHOTS)):
        source = Mmlu(str(folder), split, tuple(names), limit)
        for item in map(item_of, source.read(lab)):
            by_name.setdefault(item.subject, {"test": [], "dev": []})[split].append(item)
    return [Subject(name, tuple(own["test"]), tuple(own["dev"])) for name, own in sorted(by_name.items())]


def assay_way(model: str, device: str, subjects: Sequence[Subject]) -> Way:
    """By assay, warm: what is slow only once was done."""
    opened = open_model("token-model", model, Device(device=device, dtype="float32"))

    def ask(part: Sequence[Subject]) -> dict[str, Numbers]:
        answers = iter(opened.likelihoods([one for subject in part for one in subject.asked]))
        return {subject.name: tuple(_numbers(item, next(answers)) for item in subject.items) for subject in part}

    opened.likelihoods(subjects[0].asked[:1])
    return ask


def _numbers(item: MultipleChoiceItem, answer: Any) -> tuple[float, ...]:
    if isinstance(answer, NotCompleted):
        raise SystemExit(answer.reason)
    return scores(item, answer, "letter")


def in_turns(ways: Mapping[str, Way], subjects: Sequence[Subject], rounds: int) -> dict[str, Turns]:
    """Every way is asked some subjects, `rounds` times: a slow moment of the machine slows all."""
    turns = {name: Turns({}, []) for name in ways}
    rounds = min(rounds, len(subjects))
    for nth in range(rounds):
        # Who goes first changes, for what ran before leaves the machine warm or throttled.
        for name, way in list(ways.items())[:: 1 if nth % 2 == 0 else -1]:
            started = time.perf_counter(), time.process_time()
            made = way(subjects[nth::rounds])
            turns[name].times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
            turns[name].found.update(made)
    return turns
