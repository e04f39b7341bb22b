"""A task of lm-evaluation-harness in `assay eval`: its documents, prompts, decoding and grades, and our answers.

Source: lm-evaluation-harness 0.4.13, `lm_eval/evaluator.py`: `simple_evaluate` for seeds and numbers of examples,
`evaluate` for the order of filters and `process_results`. We differ in two things: of a task's metrics only those are
offered that are a number a document and whose mean is taken; and a document without an answer is left out and asked
again by the next run, where the harness stops.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.core.errors import RecipeError, UserError
from assay.core.lab import Lab, Models
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.harness.ask import answers_of, responses
from assay.evaluation.measures import Measure
from assay.store.answers import StoredAnswer

GUESSED = ("acc", "acc_norm", "acc_bytes")
"""Metrics of which the first right choice of several has its share by guessing."""


@dataclass(frozen=True)
class Document:
    """One question of a task."""

    sample: Sample
    requests: tuple[Any, ...]
    """The harness' `Instance`s, in its order."""


@dataclass(eq=False)
class HarnessTask:
    """What one name stands for: a task, or those of a group."""

    name: str
    tasks: Mapping[str, Any]
    """The harness' own, by name."""
    limit: int | None
    """Documents of each task."""
    offered: Mapping[str, tuple[str, str]]
    """Metric and filter, by the names of measures."""
    refused: tuple[str, ...]
    """Metrics that are no mean over documents."""
    measures: tuple[Measure, ...]
    own: Mapping[str, int | None]
    """The number of examples that each task says; None where it says none."""
    built: dict[int | None, list[list[Document]]] = field(default_factory=dict)

    def measure(self, name: str) -> Measure | None:
        """The measure of that name; of several filters the first where none is named; None where it has none."""
        full = name if name in self.offered else next((one for one, of in self.offered.items() if of[0] == name), "")
        return next((one for one in self.measures if one.name == full), None)

    def read(self, lab: Lab) -> Sequence[Sample]:
        """The documents, in order; fields: document (JSON), origin, and subject where there are several tasks."""
        with foreign(self.name):
            return [
                self._sample(name, nth, doc)
                for name, task in self.tasks.items()
                for nth, doc in task.doc_iterator(limit=self.limit)
            ]

    def documents(self, shots: int | None) -> list[list[Document]]:
        """With so many examples, or the tasks' own number; one list a task.

        Raises:
            UserError: A task may not be shown so many, or has no examples beside its test.
            RecipeError: The task's own templates or functions fail.
        """
        if shots not in self.built:
            for name, task in self.tasks.items():
                self._check(name, task, shots)
            with foreign(self.name), seeded():
                self.built[shots] = [self._built(name, task, shots) for name, task in self.tasks.items()]
        return self.built[shots]

    def digest(self, shots: int | None) -> str:
        """Of every request."""
        return hashlib.sha256(_written([_asked(one) for own in self.documents(shots) for one in own])).hexdigest()

    @property
    def compares(self) -> bool:
        """Whether nothing is written."""
        return all(task.OUTPUT_TYPE != "generate_until" for task in self.tasks.values())

    def answers(self, shots: int | None, items: Sequence[Sample], reference: str, models: Models) -> list[StoredAnswer]:
        """What a model answers.

        Raises:
            ModelError: It cannot be opened, says no likelihoods where those are wanted, or cannot decode so.
        """
        known = {one.sample.id: one for own in self.documents(shots) for one in own}
        asked = [known[item.id] for item in items]
        return answers_of(
            [(one.sample.id, hashlib.sha256(_written(_asked(one))).hexdigest()[:16], one.requests) for one in asked],
            reference,
            models,
        )

    def grade(self, shots: int | None, rows: Sequence[StoredAnswer], measure: Measure) -> list[Outcome]:
        """One outcome a document, in order, by the tasks' own filters and `process_results`.

        Raises:
            RecipeError: They fail, or what they give is no number a document.
        """
        metric, chain = self.offered[measure.name]
        left, outcomes = list(rows), list[Outcome]()
        for task, documents in zip(self.tasks.values(), self.documents(shots), strict=True):
            own, left = left[: len(documents)], left[len(documents) :]
            with foreign(self.name):
                outcomes += _graded(task, documents, own, metric, chain)
        answered = [one for one in outcomes if not (isinstance(one, Unscored) and one.cause == "failed")]
        if answered and not any(isinstance(one, Score) for one in answered):
            raise RecipeError(f"{self.name} gives no number {metric!r} for any document.")
        return outcomes

    def guess(self, shots: int | None, measure: Measure) -> float | None:
        """What guessing gives among choices; None where there are none, or what is right is another matter."""
        if self.offered[measure.name][0] not in GUESSED or any(map(_unguessable, self.tasks.values())):
            return None
        counts = [len(one.requests) for own in self.documents(shots) for one in own]
        return math.fsum(1 / count for count in counts) / len(counts)

    def _sample(self, name: str, nth: int, document: object) -> Sample:
        fields = {"document": _written(document).decode(), "origin": f"{name}:{nth}"}
        return Sample({**fields, "subject": name} if len(self.tasks) > 1 else fields)

    def _check(self, name: str, task: Any, shots: int | None) -> None:
        if not shots:
            return
        if self.own[name] == 0:
            raise UserError(f"{name} says that it is asked without examples, was to show {shots}.")
        if _shows_itself(task):
            raise UserError(
                f"{name} has no examples beside its test: a question might be shown with its own answer.",
                hint="Its file may name another fewshot_split.",
            )

    def _built(self, name: str, task: Any, shots: int | None) -> list[Document]:
        task.set_config("num_fewshot", (self.own[name] or 0) if shots is None else shots)
        task.set_fewshot_seed(1234)
        task.build_all_requests(limit=self.limit)
        grouped: dict[int, list[Any]] = {}
        for one in task.instances:
            grouped.setdefault(one.doc_id, []).append(one)
        return [
            Document(self._sample(name, nth, doc), tuple(sorted(grouped[nth], key=lambda one: one.idx)))
            for nth, doc in task.doc_iterator(limit=self.limit)
        ]


def _graded(
    task: Any, documents: Sequence[Document], rows: Sequence[StoredAnswer], metric: str, chain: str
) -> list[Outcome]:
    there = [(one, row) for one, row in zip(documents, rows, strict=True) if not row.lack]
    for document, row in there:
        for request, given in zip(document.requests, responses(row, document.requests), strict=True):
            request.resps, request.filtered_resps = given, {}
    task._instances = [request for one, _ in there for request in one.requests]
    if there:
        task.apply_filters()
    return [
        Unscored("failed", f"{row.lack}: {row.reason}") if row.lack else _value(task, one.requests, metric, chain)
        for one, row in zip(documents, rows, strict=True)
    ]


def _value(task: Any, requests: Sequence[Any], metric: str, chain: str) -> Outcome:
    found = task.process_results(requests[0].doc, [one.filtered_resps[chain] for one in requests]).get(metric)
    if found is None:
        return Unscored("not_applicable", f"the task gives no {metric}")
    value = float(found)
    return Score(value) if math.isfinite(value) else Unscored("not_applicable", f"{metric} is {value}")


def _unguessable(task: Any) -> bool:
    return bool(
        task.OUTPUT_TYPE != "multiple_choice"
        or getattr(task, "multiple_target", 0)
        or task.get_config("process_results") is not None
        or "acc_mutual_info" in task.aggregation()
    )


def _shows_itself(task: Any) -> bool:
    """Whether examples come from the documents that are asked, and the harness does not take the question out."""
    config, shown = task.config, getattr(task, "fewshot_cfg", None)
    split = getattr(shown, "split", None)
    if split == config.test_split or (split is None and getattr(shown, "samples", None) is not None):
        return False
    pool = split or config.training_split or config.validation_split or config.test_split
    return bool(pool == (config.test_split or config.validation_split))


def _asked(document: Document) -> list[object]:
    return [[one.request_type, one.args, one.repeats] for one in document.requests]


def _written(value: object) -> bytes:
    return json.dumps(value, default=str).encode()


@contextmanager
def foreign(name: str) -> Iterator[None]:
    """Runs what belongs to a task: silently, since it prints what it likes, and its failure is said in one message."""
    try:
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            yield
    except UserError:
        raise
    except Exception as error:
        words = str(error).strip().splitlines()
        raise RecipeError(f"The task {name} fails: {type(error).__name__}: {words[0] if words else ''}") from error


@contextmanager
def seeded() -> Iterator[None]:
    """The harness' own seeds of what a task draws while it is loaded and built; afterwards as before."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(0)
    np.random.seed(1234)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
