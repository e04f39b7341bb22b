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
        by_metric = (label for label, (metric, _) in self.offered.items() if metric == name)
        full = name if name in self.offered else next(by_metric, "")
        return next((metric for metric in self.metrics if metric.name == full), None)

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
        return _sha256([_request_fields(document) for group in self.documents(shots) for document in group])

    @property
    def compares(self) -> bool:
        """Whether all requests are log-likelihoods."""
        return all(task.OUTPUT_TYPE != "generate_until" for task in self.tasks.values())

    def answers(self, shots: int | None, items: Sequence[Sample], reference: str, models: Models) -> list[StoredAnswer]:
        """Answers of a model.

        Raises:
            ModelError: The model cannot be loaded, or does not support the likelihoods or decoding of the task.
        """
        by_id = {document.sample.id: document for group in self.documents(shots) for document in group}
        documents = [by_id[item.id] for item in items]
        return harness_answers(
            [
                (document.sample.id, _sha256(_request_fields(document))[:16], document.requests)
                for document in documents
            ],
            reference,
            models,
        )

    def grade(self, shots: int | None, rows: Sequence[StoredAnswer], metric: EvalMetric) -> list[Outcome]:
        """Grade each document with the filters and `process_results` of its task.

        Raises:
            RecipeError: The task raises an error, or gives no number per document.
        """
        name, chain = self.offered[metric.name]
        remaining, outcomes = list(rows), list[Outcome]()
        for task, documents in zip(self.tasks.values(), self.documents(shots), strict=True):
            task_rows, remaining = remaining[: len(documents)], remaining[len(documents) :]
            with task_code(self.name):
                outcomes += _grade_documents(task, documents, task_rows, name, chain)
        graded = [outcome for outcome in outcomes if not isinstance(outcome, Unscored) or outcome.cause != "failed"]
        if graded and not any(isinstance(outcome, Score) for outcome in graded):
            raise RecipeError(f"{self.name} computes no value of {name!r} for any document.")
        return outcomes

    def chance(self, shots: int | None, metric: EvalMetric) -> float | None:
        """Chance level; None without choices or with custom grading."""
        if self.offered[metric.name][0] not in CHANCE_METRICS or any(map(_without_chance, self.tasks.values())):
            return None
        counts = [len(document.requests) for group in self.documents(shots) for document in group]
        return math.fsum(1 / count for count in counts) / len(counts)

    def _sample(self, name: str, nth: int, document: object) -> Sample:
        fields = {"document": _json(document), "origin": f"{name}:{nth}"}
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
        for instance in task.instances:
            grouped.setdefault(instance.doc_id, []).append(instance)
        return [
            HarnessDocument(
                self._sample(name, nth, doc), tuple(sorted(grouped[nth], key=lambda instance: instance.idx))
            )
            for nth, doc in task.doc_iterator(limit=self.limit)
        ]


def _grade_documents(
    task: Any, documents: Sequence[HarnessDocument], rows: Sequence[StoredAnswer], metric: str, chain: str
) -> list[Outcome]:
    answered = [(document, row) for document, row in zip(documents, rows, strict=True) if not row.lack]
    for document, row in answered:
        for request, samples in zip(document.requests, responses(row, document.requests), strict=True):
            request.resps, request.filtered_resps = samples, {}
    task._instances = [request for document, _ in answered for request in document.requests]
    if answered:
        task.apply_filters()
    return [
        Unscored("failed", f"{row.lack}: {row.reason}") if row.lack else _value(task, document.requests, metric, chain)
        for document, row in zip(documents, rows, strict=True)
    ]


def _value(task: Any, requests: Sequence[Any], metric: str, chain: str) -> Outcome:
    raw = task.process_results(requests[0].doc, [request.filtered_resps[chain] for request in requests]).get(metric)
    if raw is None:
        return Unscored("not_applicable", f"the task computes no {metric}")
    value = float(raw)
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
    config, fewshot = task.config, getattr(task, "fewshot_cfg", None)
    split = getattr(fewshot, "split", None)
    if split == config.test_split or (split is None and getattr(fewshot, "samples", None) is not None):
        return False
    pool = split or config.training_split or config.validation_split or config.test_split
    return bool(pool == (config.test_split or config.validation_split))


def _request_fields(document: HarnessDocument) -> list[object]:
    return [[request.request_type, request.args, request.repeats] for request in document.requests]


def _json(value: object) -> str:
    return json.dumps(value, default=str)


def _sha256(value: object) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()


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
