"""Runs an evaluation: reads stored answers, asks for missing ones, and grades all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assay.core.completions import FATAL, TextRequest, fatal_error
from assay.core.lab import Lab, Models
from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.evaluation.ask_cells import Pool, generated_answers, likelihood_answers, pool_by_subject, prompted_questions
from assay.evaluation.asking import requests_of
from assay.evaluation.grade import grade
from assay.evaluation.metrics import check_metric
from assay.evaluation.plan import VERSION, EvalCell, EvalTask
from assay.models.remote.services import is_remote
from assay.pipeline.cost import CostEstimate, estimate_requests
from assay.pipeline.progress import Reporter, SilentReporter, quiet_libraries
from assay.store.answers import StoredAnswer, read_answers, write_answers
from assay.store.images import StoredImages
from assay.store.receipts import canonical_json, digest, stage_key
from assay.store.run_folder import RunFolder

GENERATED_BATCH = 64
"""Questions per stored part for generated answers; an interruption loses at most one part."""
LIKELIHOOD_BATCH = 256
"""Questions per stored part for likelihoods; few-shot prefixes are processed once per part."""


@dataclass(frozen=True)
class EvaluatedCell:
    """A cell with its items, answers and outcomes."""

    cell: EvalCell
    items: Sequence[Sample]
    rows: Sequence[StoredAnswer]
    outcomes: Sequence[Outcome]
    chance: float | None = None
    """Chance level, if the items do not determine it."""
    pool: Pool = field(default_factory=dict)
    """Pool of few-shot examples."""


@dataclass
class Evaluation:
    """An evaluation and its folder."""

    cells: Sequence[EvalCell]
    folder: RunFolder
    models: Models
    reporter: Reporter = field(default_factory=SilentReporter)
    announce: Callable[[Sequence[CostEstimate]], None] = lambda asks: None
    """Called with the expected cost before any model is asked; harness tasks are not included."""
    answered: dict[str, list[StoredAnswer]] = field(default_factory=dict, init=False)
    """Answers by key, shared between metrics."""

    def run(self) -> list[EvaluatedCell]:
        """Ask for missing answers and grade all.

        Raises:
            UserError: A problem that the user can fix, such as a spent budget; answers are kept.
        """
        with self.folder.lock(), quiet_libraries():
            self.folder.clean_temporaries()
            for metric in dict.fromkeys(cell.metric for cell in self.cells):
                check_metric(metric, self._lab)
            for cell in self.cells:
                if cell.task.harness is not None:
                    cell.task.harness.documents(cell.shots)
            items = {task.name: self._items(task) for task in _tasks(self.cells)}
            pools = {task.name: self._pool(task) for task in _tasks(self.cells)}
            self.announce(estimate_requests("eval", self._requests(items, pools)))
            return [self._evaluate(cell, items[cell.task.name], pools[cell.task.name]) for cell in self.cells]

    def _requests(
        self, items: Mapping[str, Sequence[Sample]], pools: Mapping[str, Pool]
    ) -> dict[str, list[TextRequest]]:
        """Outstanding requests to remote models, by model; cells that differ in the metric count once."""
        requests: dict[str, list[TextRequest]] = {}
        seen = set()
        for cell in self.cells:
            if is_remote(cell.model) and cell.setup.convention is None and cell.task.harness is None:
                samples, pool = items[cell.task.name], pools[cell.task.name]
                if (key := self._key(cell, samples, pool)) not in seen:
                    seen.add(key)
                    todo = self._unanswered(key, samples)
                    requests.setdefault(cell.model, []).extend(requests_of(prompted_questions(cell, todo, pool)))
        return requests

    def _unanswered(self, key: str, items: Sequence[Sample]) -> list[Sample]:
        parts = (read_answers(path) for path in (self.folder.path / f"answers-{key}").glob("part-*.jsonl"))
        answered = {row.id for rows in parts for row in rows if not row.lack}
        return [item for item in items if item.id not in answered]

    def _items(self, task: EvalTask) -> Sequence[Sample]:
        return task.loaded if task.loaded is not None else task.items.read(self._lab)

    def _pool(self, task: EvalTask) -> Pool:
        return pool_by_subject(task.pool.read(self._lab)) if task.pool is not None else {}

    @property
    def _lab(self) -> Lab:
        return Lab(0, self.models, StoredImages([]))

    def _evaluate(self, cell: EvalCell, items: Sequence[Sample], pool: Pool) -> EvaluatedCell:
        key = self._key(cell, items, pool)
        if key not in self.answered:
            self.answered[key] = self._answered(cell, key, items, pool)
        rows, harness = self.answered[key], cell.task.harness
        if harness is not None:
            outcomes = harness.grade(cell.shots, rows, cell.metric)
            return EvaluatedCell(cell, items, rows, outcomes, harness.chance(cell.shots, cell.metric))
        return EvaluatedCell(cell, items, rows, grade(cell, items, rows, self._lab), pool=pool)

    def _key(self, cell: EvalCell, items: Sequence[Sample], pool: Pool) -> str:
        return stage_key(
            cell.spec, [digest([item.id for item in items]), self._examples_digest(cell, pool)], VERSION, 0
        )

    def _examples_digest(self, cell: EvalCell, pool: Pool) -> str:
        """Digest of the few-shot examples."""
        if cell.task.harness is not None:
            return cell.task.harness.digest(cell.shots)
        if not cell.setup.shots:
            return ""
        return digest([[dict(sample.fields) for sample in samples] for samples in pool.values()])

    def _answered(self, cell: EvalCell, key: str, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
        compares = cell.task.harness.compares if cell.task.harness is not None else cell.setup.convention is not None
        size = LIKELIHOOD_BATCH if compares else GENERATED_BATCH
        place = self.folder.stage(f"answers-{key}")
        self.folder.write_text(f"{place.name}.json", canonical_json(cell.spec) + "\n")
        self.reporter.begin(_name(cell), len(items), 0)
        rows: list[StoredAnswer] = []
        for start in range(0, len(items), size):
            part = items[start : start + size]
            rows += self._part(place / f"part-{start // size:05d}.jsonl", cell, part, pool)
            self.reporter.advance(start + len(part), len(items))
        self.reporter.end(f"{len(rows)} answered, {sum(bool(row.lack) for row in rows)} failed")
        return rows

    def _part(self, path: Path, cell: EvalCell, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
        """Read a stored part, and ask for missing and failed answers."""
        before = {row.id: row for row in read_answers(path)} if path.is_file() else {}
        todo = [item for item in items if item.id not in before or before[item.id].lack]
        if todo:
            started = time.perf_counter()
            fresh = self._ask(cell)(todo, pool)
            seconds = (time.perf_counter() - started) / len(todo)
            before |= {row.id: replace(row, seconds=seconds) for row in fresh}
            write_answers(path, [before[item.id] for item in items])
            if fatal := next((row for row in fresh if row.lack in FATAL), None):
                raise fatal_error(cell.model, fatal.lack, fatal.reason)
        return [before[item.id] for item in items]

    def _ask(self, cell: EvalCell) -> Callable[[Sequence[Sample], Pool], list[StoredAnswer]]:
        harness = cell.task.harness
        if harness is not None:
            return lambda items, pool: harness.answers(cell.shots, items, cell.model, self.models)
        if cell.setup.convention is None:
            model = self.models.text_model(cell.model)
            return lambda items, pool: generated_answers(model, cell, items, pool)
        likely = self.models.likelihood_model(cell.model)
        return lambda items, pool: likelihood_answers(likely, cell, items, pool)


def _tasks(cells: Sequence[EvalCell]) -> list[EvalTask]:
    return list({cell.task.name: cell.task for cell in cells}.values())


def _name(cell: EvalCell) -> str:
    return f"{cell.model} · {cell.task.name} · {cell.setup.name}"
