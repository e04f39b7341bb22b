"""Finds tasks of lm-evaluation-harness by name or file, and what can be measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from assay.core.errors import RecipeError, SourceError
from assay.evaluation.harness.library import data_of, library, matching
from assay.evaluation.harness.task import HarnessTask, foreign, seeded
from assay.evaluation.measures import Measure

PREFIX = "harness"
FILES = (".yaml", ".yml")


def load_task(name: str, limit: int | None) -> HarnessTask:
    """The task, group or pattern ("mmlu_*") of the harness that is called so, or that a task file (YAML) describes.

    Raises:
        RecipeError: The library is not installed, there is no such task, or it gives no number a document.
        SourceError: Its data cannot be had, or there is no such file.
    """
    file = Path(name) if Path(name).suffix in FILES else None
    if file is not None and not file.is_file():
        raise SourceError(f"There is no task file {name!r}.")
    with foreign(name), data_of(name), seeded():
        manager = _manager(str(file.resolve().parent) if file is not None else None)
        loaded = manager.load(_named(manager, file.resolve()) if file is not None else matching(manager, name))
    tasks = {str(one): task for one, task in loaded["tasks"].items()}
    for one, task in tasks.items():
        _check(one, task)
    # A file is called by the name that it says: where it lies does not matter.
    whole = next(iter(tasks if len(tasks) == 1 else loaded.get("groups") or tasks)) if file is not None else name
    offered, refused = _offered(whole, tasks)
    left_out = f"; {', '.join(refused)}: no mean over documents, left out" if refused else ""
    told = f"by lm-evaluation-harness, the mean over documents{left_out}."
    better = next(iter(tasks.values())).higher_is_better()
    measures = tuple(
        Measure(one, told, "higher" if better.get(metric, True) else "lower", owner="harness")
        for one, (metric, _) in offered.items()
    )
    shots = {one: task.get_config("num_fewshot") for one, task in tasks.items()}
    return HarnessTask(f"{PREFIX}:{whole}", tasks, limit, offered, refused, measures, shots)


def _named(manager: Any, file: Path) -> list[str]:
    """What the manager calls a file of its folder: by path alone it takes no groups."""
    return [name for name, entry in manager.task_index.items() if entry.yaml_path == file][:1] or [str(file)]


def _check(name: str, task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise RecipeError(f"The task {name} runs code that a model wrote, which is not offered.")
    if getattr(task, "MULTIMODAL", False):
        raise RecipeError(f"The task {name} shows images or sounds, which is not offered.")


@lru_cache(maxsize=2)
def _manager(folder: str | None) -> Any:
    """Knows the harness' own tasks, or those of a folder; reading all its own takes seconds."""
    return library("lm_eval.tasks").TaskManager(include_path=folder, include_defaults=folder is None)


def _offered(name: str, tasks: Mapping[str, Any]) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    """The measures that all tasks have, by name, and the metrics that are no mean."""
    metrics = library("lm_eval.api.metrics")
    means = {one: _means(task, (metrics.mean, metrics.nanmean)) for one, task in tasks.items()}
    refused = dict.fromkeys(one for task in tasks.values() for one in task.aggregation())
    for own in means.values():
        refused = {one: None for one in refused if all(one != metric for metric, _ in own.values())}
    if empty := next((one for one, own in means.items() if not own), None):
        raise RecipeError(
            f"{empty} gives no number a document, only of all together: {', '.join(refused) or 'it has no metric'}.",
            hint="Offered are metrics of which the mean is taken, such as acc or exact_match.",
        )
    first, *others = means.values()
    common = {one: of for one, of in first.items() if all(one in own for own in others)}
    if not common:
        has = "; ".join(f"{one} has {', '.join(own)}" for one, own in list(means.items())[:5])
        raise RecipeError(f"The tasks of {name} have no measure in common: {has}.", hint="Name tasks that have.")
    return common, tuple(refused)


def _means(task: Any, means: Sequence[object]) -> dict[str, tuple[str, str]]:
    chains = [chain.name for chain in task._filters]
    return {
        metric if len(chains) == 1 else f"{metric},{chain}": (metric, chain)
        for metric, aggregated in task.aggregation().items()
        for chain in chains
        if aggregated in means
    }
