"""Fills the cells of an evaluation: what was answered before is read, the rest is asked, and every answer is graded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assay.core.completions import HOPELESS, TextRequest, fatal_error
from assay.core.lab import Lab, Models
from assay.core.sample import Sample
from assay.core.score import Outcome
from assay.evaluation.ask_cells import Pool, compared, pool_of, quests_of, written
from assay.evaluation.asking import requests_of
from assay.evaluation.grade import grade
from assay.evaluation.measures import check_measure
from assay.evaluation.plan import VERSION, Cell, Task
from assay.models.remote.services import is_remote
from assay.pipeline.cost.asks import Asks, expected
from assay.pipeline.progress import Reporter, Silent
from assay.pipeline.quiet import hushed
from assay.store.answers import StoredAnswer, read_answers, write_answers
from assay.store.images import StoredImages
from assay.store.receipts import canonical_json, digest, stage_key
from assay.store.run_folder import RunFolder

PART = 64
"""Questions of a part, when answers are written: what a kill can lose."""
COMPARED = 256
"""The same, where likelihoods are compared: a header is read once a part."""


@dataclass(frozen=True)
class Filled:
    """A cell with everything that was answered."""

    cell: Cell
    items: Sequence[Sample]
    rows: Sequence[StoredAnswer]
    outcomes: Sequence[Outcome]
    guess: float | None = None
    """What guessing gives where the items do not say it."""
    pool: Pool = field(default_factory=dict)
    """What examples were taken from."""


@dataclass
class Evaluation:
    """One evaluation in its folder."""

    cells: Sequence[Cell]
    folder: RunFolder
    models: Models
    reporter: Reporter = field(default_factory=Silent)
    foretell: Callable[[Sequence[Asks]], None] = lambda asks: None
    """Told, before anybody is asked, what asking would cost; tasks of lm-evaluation-harness are not in it."""
    answered: dict[str, list[StoredAnswer]] = field(default_factory=dict, init=False)
    """What this run has read or asked, by key: several measures share it."""

    def run(self) -> list[Filled]:
        """Asks what has no answer yet, and grades everything.

        Raises:
            UserError: Something the user can mend; what was answered stays.
        """
        with self.folder.lock(), hushed():
            self.folder.clean_temporaries()
            for measure in dict.fromkeys(cell.measure for cell in self.cells):
                check_measure(measure, self._lab)
            for cell in self.cells:
                if cell.task.harness is not None:
                    cell.task.harness.documents(cell.shots)
            items = {task.name: self._read(task) for task in _tasks(self.cells)}
            pools = {task.name: self._pool(task) for task in _tasks(self.cells)}
            self.foretell(expected("eval", self._requests(items, pools)))
            return [self._filled(cell, items[cell.task.name], pools[cell.task.name]) for cell in self.cells]

    def _requests(
        self, items: Mapping[str, Sequence[Sample]], pools: Mapping[str, Pool]
    ) -> dict[str, list[TextRequest]]:
        """What services would still be asked, by model; the cells of several measures count once."""
        found: dict[str, list[TextRequest]] = {}
        seen = set()
        for cell in self.cells:
            if is_remote(cell.model) and cell.manner.convention is None and cell.task.harness is None:
                own, pool = items[cell.task.name], pools[cell.task.name]
                if (key := self._key(cell, own, pool)) not in seen:
                    seen.add(key)
                    todo = self._unanswered(key, own)
                    found.setdefault(cell.model, []).extend(requests_of(quests_of(cell, todo, pool)))
        return found

    def _unanswered(self, key: str, items: Sequence[Sample]) -> list[Sample]:
        kept = (read_answers(path) for path in (self.folder.path / f"answers-{key}").glob("part-*.jsonl"))
        answered = {row.id for rows in kept for row in rows if not row.lack}
        return [item for item in items if item.id not in answered]

    def _read(self, task: Task) -> Sequence[Sample]:
        return task.items.read(self._lab)

    def _pool(self, task: Task) -> Pool:
        return pool_of(task.pool.read(self._lab)) if task.pool is not None else {}

    @property
    def _lab(self) -> Lab:
        return Lab(0, self.models, StoredImages([]))

    def _filled(self, cell: Cell, items: Sequence[Sample], pool: Pool) -> Filled:
        key = self._key(cell, items, pool)
        if key not in self.answered:
            self.answered[key] = self._answered(cell, key, items, pool)
        rows, harness = self.answered[key], cell.task.harness
        if harness is not None:
            outcomes = harness.grade(cell.shots, rows, cell.measure)
            return Filled(cell, items, rows, outcomes, harness.guess(cell.shots, cell.measure))
        return Filled(cell, items, rows, grade(cell, items, rows, self._lab), pool=pool)

    def _key(self, cell: Cell, items: Sequence[Sample], pool: Pool) -> str:
        return stage_key(cell.spec, [digest([item.id for item in items]), self._shown(cell, pool)], VERSION, 0)

    def _shown(self, cell: Cell, pool: Pool) -> str:
        """Digest of what is shown beside the items."""
        if cell.task.harness is not None:
            return cell.task.harness.digest(cell.shots)
        return digest([[dict(one.fields) for one in own] for own in pool.values()]) if cell.manner.shots else ""

    def _answered(self, cell: Cell, key: str, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
        compares = cell.task.harness.compares if cell.task.harness is not None else cell.manner.convention is not None
        size = COMPARED if compares else PART
        place = self.folder.stage(f"answers-{key}")
        self.folder.write_text(f"{place.name}.json", canonical_json(cell.spec) + "\n")
        self.reporter.begin(_name(cell), len(items), 0)
        rows: list[StoredAnswer] = []
        for start in range(0, len(items), size):
            part = items[start : start + size]
            rows += self._part(place / f"part-{start // size:05d}.jsonl", cell, part, pool)
            self.reporter.advance(start + len(part), len(items))
        self.reporter.end(f"{len(rows)} answered, {sum(bool(row.lack) for row in rows)} without an answer")
        return rows

    def _part(self, path: Path, cell: Cell, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
        """Reads a part, and asks again what had no answer."""
        before = {row.id: row for row in read_answers(path)} if path.is_file() else {}
        todo = [item for item in items if item.id not in before or before[item.id].lack]
        if todo:
            started = time.perf_counter()
            fresh = self._ask(cell)(todo, pool)
            share = (time.perf_counter() - started) / len(todo)
            before |= {row.id: replace(row, seconds=share) for row in fresh}
            write_answers(path, [before[item.id] for item in items])
            if hopeless := next((row for row in fresh if row.lack in HOPELESS), None):
                raise fatal_error(cell.model, hopeless.lack, hopeless.reason)
        return [before[item.id] for item in items]

    def _ask(self, cell: Cell) -> Callable[[Sequence[Sample], Pool], list[StoredAnswer]]:
        harness = cell.task.harness
        if harness is not None:
            return lambda items, pool: harness.answers(cell.shots, items, cell.model, self.models)
        if cell.manner.convention is None:
            model = self.models.text_model(cell.model)
            return lambda items, pool: written(model, cell, items, pool)
        likely = self.models.likelihood_model(cell.model)
        return lambda items, pool: compared(likely, cell, items, pool)


def _tasks(cells: Sequence[Cell]) -> list[Task]:
    return list({cell.task.name: cell.task for cell in cells}.values())


def _name(cell: Cell) -> str:
    return f"{cell.model} · {cell.task.name} · {cell.manner.name}"
