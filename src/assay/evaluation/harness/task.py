"""A task of lm-evaluation-harness in `assay eval`: documents, prompts, decoding and grading.

Source: lm-evaluation-harness 0.4.13, `lm_eval/evaluator.py`: `simple_evaluate` for seeds and numbers of examples,
`evaluate` for the order of filters and `process_results`. Two differences: only metrics that are averaged over
documents are available; and a failed document is excluded and asked again by the next run, where the harness stops.
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
from assay.evaluation.harness.library import harness_answers, responses
from assay.evaluation.metrics import EvalMetric
from assay.store.answers import StoredAnswer

CHANCE_METRICS = ("acc", "acc_norm", "acc_bytes")
"""Metrics with a chance level of one over the number of choices."""


@dataclass(frozen=True)
class HarnessDocument:
    """One document of a task with its requests."""

    sample: Sample
    requests: tuple[Any, ...]
    """`Instance` objects of the harness, in order."""


@dataclass(eq=False)
class HarnessTask:
    """A task, or the tasks of a group."""

    name: str
    tasks: Mapping[str, Any]
    """Task objects of the harness, by name."""
    limit: int | None
    """Maximum number of documents per task."""
    offered: Mapping[str, tuple[str, str]]
    """Metric and filter, by metric name."""
    refused: tuple[str, ...]
    """Metrics that are not means over documents."""
    metrics: tuple[EvalMetric, ...]
    shots: Mapping[str, int | None]
    """Configured number of few-shot examples by task; None if not configured."""
    built: dict[int | None, list[list[HarnessDocument]]] = field(default_factory=dict)

    def find_metric(self, name: str) -> EvalMetric | None:
        """Find a metric by name, with the first filter if none is named; None if there is none."""
        full = name if name in self.offered else next((one for one, of in self.offered.items() if of[0] == name), "")
        return next((one for one in self.metrics if one.name == full), None)

    def read(self, lab: Lab) -> Sequence[Sample]:
        """Documents in order; fields: document (JSON), origin, and subject if there are several tasks."""
        with task_code(self.name):
            return [
                self._sample(name, nth, doc)
                for name, task in self.tasks.items()
                for nth, doc in task.doc_iterator(limit=self.limit)
            ]

    def documents(self, shots: int | None) -> list[list[HarnessDocument]]:
        """Documents with `shots` examples, or the configured number if None; one list per task.

        Raises:
            UserError: A task does not allow few-shot examples, or has no separate split for them.
            RecipeError: Templates or functions of the task raise an error.
        """
        if shots not in self.built:
            for name, task in self.tasks.items():
                self._check(name, task, shots)
            with task_code(self.name), harness_seeds():
                self.built[shots] = [self._built(name, task, shots) for name, task in self.tasks.items()]
        return self.built[shots]

    def digest(self, shots: int | None) -> str:
        """SHA-256 of all requests."""
        return hashlib.sha256(_written([_asked(one) for own in self.documents(shots) for one in own])).hexdigest()

    @property
    def compares(self) -> bool:
        """Whether all requests are log-likelihoods."""
        return all(task.OUTPUT_TYPE != "generate_until" for task in self.tasks.values())

    def answers(self, shots: int | None, items: Sequence[Sample], reference: str, models: Models) -> list[StoredAnswer]:
        """Answers of a model.

        Raises:
            ModelError: The model cannot be loaded, or does not support the likelihoods or decoding of the task.
        """
        known = {one.sample.id: one for own in self.documents(shots) for one in own}
        asked = [known[item.id] for item in items]
        return harness_answers(
            [(one.sample.id, hashlib.sha256(_written(_asked(one))).hexdigest()[:16], one.requests) for one in asked],
            reference,
            models,
        )

    def grade(self, shots: int | None, rows: Sequence[StoredAnswer], metric: EvalMetric) -> list[Outcome]:
        """Grade each document with the filters and `process_results` of its task.

        Raises:
            RecipeError: The task raises an error, or gives no number per document.
        """
        name, chain = self.offered[metric.name]
        left, outcomes = list(rows), list[Outcome]()
        for task, documents in zip(self.tasks.values(), self.documents(shots), strict=True):
            own, left = left[: len(documents)], left[len(documents) :]
            with task_code(self.name):
                outcomes += _graded(task, documents, own, name, chain)
        answered = [one for one in outcomes if not (isinstance(one, Unscored) and one.cause == "failed")]
        if answered and not any(isinstance(one, Score) for one in answered):
            raise RecipeError(f"{self.name} computes no value of {name!r} for any document.")
        return outcomes

    def chance(self, shots: int | None, metric: EvalMetric) -> float | None:
        """Chance level; None without choices or with custom grading."""
        if self.offered[metric.name][0] not in CHANCE_METRICS or any(map(_without_chance, self.tasks.values())):
            return None
        counts = [len(one.requests) for own in self.documents(shots) for one in own]
        return math.fsum(1 / count for count in counts) / len(counts)

    def _sample(self, name: str, nth: int, document: object) -> Sample:
        fields = {"document": _written(document).decode(), "origin": f"{name}:{nth}"}
        return Sample({**fields, "subject": name} if len(self.tasks) > 1 else fields)

    def _check(self, name: str, task: Any, shots: int | None) -> None:
        if not shots:
            return
        if self.shots[name] == 0:
            raise UserError(f"{name} is defined as zero-shot, got {shots} few-shot examples.")
        if _leaks_answer(task):
            raise UserError(
                f"{name} has no split for few-shot examples besides its test split, so a question could "
                "be its own example.",
                hint="Set fewshot_split in the task file.",
            )

    def _built(self, name: str, task: Any, shots: int | None) -> list[HarnessDocument]:
        task.set_config("num_fewshot", (self.shots[name] or 0) if shots is None else shots)
        task.set_fewshot_seed(1234)
        task.build_all_requests(limit=self.limit)
        grouped: dict[int, list[Any]] = {}
        for one in task.instances:
            grouped.setdefault(one.doc_id, []).append(one)
        return [
            HarnessDocument(self._sample(name, nth, doc), tuple(sorted(grouped[nth], key=lambda one: one.idx)))
            for nth, doc in task.doc_iterator(limit=self.limit)
        ]


def _graded(
    task: Any, documents: Sequence[HarnessDocument], rows: Sequence[StoredAnswer], metric: str, chain: str
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
        return Unscored("not_applicable", f"the task computes no {metric}")
    value = float(found)
    return Score(value) if math.isfinite(value) else Unscored("not_applicable", f"{metric} is {value}")


def _without_chance(task: Any) -> bool:
    return bool(
        task.OUTPUT_TYPE != "multiple_choice"
        or getattr(task, "multiple_target", 0)
        or task.get_config("process_results") is not None
        or "acc_mutual_info" in task.aggregation()
    )


def _leaks_answer(task: Any) -> bool:
    """Whether few-shot examples come from the evaluated documents without excluding the question."""
    config, shown = task.config, getattr(task, "fewshot_cfg", None)
    split = getattr(shown, "split", None)
    if split == config.test_split or (split is None and getattr(shown, "samples", None) is not None):
        return False
    pool = split or config.training_split or config.validation_split or config.test_split
    return bool(pool == (config.test_split or config.validation_split))


def _asked(document: HarnessDocument) -> list[object]:
    return [[one.request_type, one.args, one.repeats] for one in document.requests]


def _written(value: object) -> bytes:
    return json.dumps(value, default=str).encode()


@contextmanager
def task_code(name: str) -> Iterator[None]:
    """Run code of a task with its output suppressed, and convert its errors to `RecipeError`."""
    try:
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            yield
    except UserError:
        raise
    except Exception as error:
        words = str(error).strip().splitlines()
        raise RecipeError(f"The task {name} failed: {type(error).__name__}: {words[0] if words else ''}") from error


@contextmanager
def harness_seeds() -> Iterator[None]:
    """Set the seeds of the harness while tasks are loaded and built; restore the generators afterwards."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(0)
    np.random.seed(1234)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
