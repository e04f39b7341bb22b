"""Load tasks of lm-evaluation-harness by name or file, with their supported metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from assay.core.errors import RecipeError, SourceError
from assay.evaluation.harness.library import data_of, library, matching
from assay.evaluation.harness.task import HarnessTask, harness_seeds, task_code
from assay.evaluation.metrics import EvalMetric

PREFIX = "harness"
FILES = (".yaml", ".yml")


def load_task(name: str, limit: int | None) -> HarnessTask:
    """Load a task, group, pattern ("mmlu_*") or task file (YAML).

    Raises:
        RecipeError: The library is not installed, the task is unknown, or it has no per-document metric.
        SourceError: The data is not available, or the file does not exist.
    """
    file = Path(name) if Path(name).suffix in FILES else None
    if file is not None and not file.is_file():
        raise SourceError(f"The task file {name!r} does not exist.")
    with task_code(name), data_of(name), harness_seeds():
        manager = _manager(str(file.resolve().parent) if file is not None else None)
        loaded = manager.load(_named(manager, file.resolve()) if file is not None else matching(manager, name))
    tasks = {str(task_name): task for task_name, task in loaded["tasks"].items()}
    for task_name, task in tasks.items():
        _check(task_name, task)
    # A task file is named by its content, not by its path.
    whole = next(iter(tasks if len(tasks) == 1 else loaded.get("groups") or tasks)) if file is not None else name
    offered, refused = _offered(whole, tasks)
    left_out = f"; not supported (not a mean over documents): {', '.join(refused)}" if refused else ""
    description = f"computed by lm-evaluation-harness, mean over documents{left_out}."
    better = next(iter(tasks.values())).higher_is_better()
    metrics = tuple(
        EvalMetric(label, description, "higher" if better.get(metric, True) else "lower", grader="harness")
        for label, (metric, _) in offered.items()
    )
    shots = {task_name: task.get_config("num_fewshot") for task_name, task in tasks.items()}
    return HarnessTask(f"{PREFIX}:{whole}", tasks, limit, offered, refused, metrics, shots)


def _named(manager: Any, file: Path) -> list[str]:
    """Name of a task file in the manager; groups cannot be loaded by path."""
    return [name for name, entry in manager.task_index.items() if entry.yaml_path == file][:1] or [str(file)]


def _check(name: str, task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise RecipeError(f"The task {name} runs model-written code, which is not supported.")
    if getattr(task, "MULTIMODAL", False):
        raise RecipeError(f"The task {name} uses images or audio, which is not supported.")


@lru_cache(maxsize=2)
def _manager(folder: str | None) -> Any:
    """Task manager of the built-in tasks, or of a folder; indexing the built-in tasks takes seconds."""
    return library("lm_eval.tasks").TaskManager(include_path=folder, include_defaults=folder is None)


def _offered(name: str, tasks: Mapping[str, Any]) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    """Metrics common to all tasks, and metrics that are not means."""
    metrics = library("lm_eval.api.metrics")
    means = {task_name: _means(task, (metrics.mean, metrics.nanmean)) for task_name, task in tasks.items()}
    refused = dict.fromkeys(metric for task in tasks.values() for metric in task.aggregation())
    for task_means in means.values():
        refused = {metric: None for metric in refused if all(metric != mean for mean, _ in task_means.values())}
    if empty := next((task_name for task_name, task_means in means.items() if not task_means), None):
        raise RecipeError(
            f"{empty} has no per-document metric, only corpus metrics: {', '.join(refused) or 'none'}.",
            hint="Metrics that are averaged over documents are supported, such as acc or exact_match.",
        )
    first, *others = means.values()
    common = {label: of for label, of in first.items() if all(label in task_means for task_means in others)}
    if not common:
        has = "; ".join(f"{task_name} has {', '.join(task_means)}" for task_name, task_means in list(means.items())[:5])
        raise RecipeError(f"The tasks of {name} have no metric in common: {has}.", hint="Evaluate them separately.")
    return common, tuple(refused)


def _means(task: Any, means: Sequence[object]) -> dict[str, tuple[str, str]]:
    chains = [chain.name for chain in task._filters]
    return {
        metric if len(chains) == 1 else f"{metric},{chain}": (metric, chain)
        for metric, aggregated in task.aggregation().items()
        for chain in chains
        if aggregated in means
    }
