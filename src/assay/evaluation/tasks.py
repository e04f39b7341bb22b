"""Parsing of task names of the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.truthful_qa import TruthfulQa
from assay.core.errors import UserError, did_you_mean
from assay.core.lab import Lab
from assay.evaluation.harness.load import PREFIX, load_task
from assay.evaluation.metrics import MASS, reference_answers
from assay.evaluation.plan import EvalTask
from assay.models.open_models import OpenModels
from assay.store.images import StoredImages
from assay.text.answers.normalization import exact
from assay.text.prompting.methods import Kind

FILES = (".csv", ".jsonl")
ABOUT = "The following are multiple choice questions (with answers) about {subject}."


def parse_task(text: str, limit: int | None) -> EvalTask:
    """Parse a task name: "mmlu:FOLDER", "gsm8k:FILE", "harness:NAME", or a file of questions.

    Raises:
        UserError: The name is unknown.
        SourceError: The file cannot be read, or the data of a harness task is not available.
        RecipeError: lm-evaluation-harness is not installed, has no such task, or has no per-question metric for it.
    """
    name, colon, path = text.partition(":")
    if name == PREFIX and colon and path:
        return _harness(path, limit)
    names = (*BY_NAME, PREFIX)
    if colon and not path and name in names:
        argument = "name" if name == PREFIX else "path"
        raise UserError(f"The task {name!r} needs a {argument}: {name}:{argument.upper()}.")
    if colon and name in BY_NAME:
        return BY_NAME[name](path, limit)
    if Path(text).suffix.lower() in FILES:
        return _question_file(text, limit)
    raise UserError(
        f"Unknown task {name!r}.",
        hint=did_you_mean(name, names) + " Or give a .csv or .jsonl file of questions.",
        kind="task",
        name=name,
    )


def _mmlu(path: str, limit: int | None) -> EvalTask:
    return EvalTask("mmlu", Mmlu(path, per_subject=limit), "choice", Mmlu(path, split="dev"), about=ABOUT)


def _gsm8k(path: str, limit: int | None) -> EvalTask:
    return EvalTask("gsm8k", Gsm8k(path, limit=limit), "number")


def _mc1(path: str, limit: int | None) -> EvalTask:
    return EvalTask("truthfulqa", TruthfulQa(path, targets="mc1", limit=limit), "choice", solved="truthfulqa")


def _mc2(path: str, limit: int | None) -> EvalTask:
    items = TruthfulQa(path, targets="mc2", limit=limit)
    return EvalTask("truthfulqa-mc2", items, "choice", metrics=(MASS,), solved="truthfulqa")


def _harness(name: str, limit: int | None) -> EvalTask:
    task = load_task(name, limit)
    return EvalTask(task.name, task, "text", metrics=task.metrics, harness=task)


BY_NAME: Mapping[str, Callable[[str, int | None], EvalTask]] = {
    "mmlu": _mmlu,
    "gsm8k": _gsm8k,
    "truthfulqa": _mc1,
    "truthfulqa-mc2": _mc2,
}


def _question_file(path: str, limit: int | None) -> EvalTask:
    """Infer the answer kind of a file of questions; all questions must have the same kind."""
    source = Questions(path, per_subject=limit)
    items = tuple(source.read(Lab(0, OpenModels(), StoredImages([]))))
    kind: Kind = "text"
    if all("choice0" in item.fields for item in items):
        kind = "choice"
    elif all(exact(answer) is not None for item in items for answer in reference_answers(item)):
        kind = "number"
    elif all(answer.strip().lower() in ("yes", "no") for item in items for answer in reference_answers(item)):
        kind = "yes-no"
    return EvalTask(Path(path).stem, source, kind, loaded=items)
