"""Evaluation grid of `assay eval`: models x tasks x prompt setups x decodings; each combination is a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from assay.core.decoding import Decoding
from assay.core.errors import UserError, did_you_mean
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.evaluation.metrics import ACCURACY, WRITTEN, EvalMetric, text_metric
from assay.pipeline.recipe.spec import describe
from assay.text.prompting.methods import FEW_SHOT_METHODS, METHODS, Kind, Layout, Method, Prompting
from assay.text.prompting.multiple_choice import CONVENTIONS, Convention

if TYPE_CHECKING:
    from assay.evaluation.harness.task import HarnessTask

GREEDY = Decoding()
SHOTS = 3
"""Default number of few-shot examples."""
VERSION = 1
"""Version of the prompts; a change invalidates stored answers."""


@dataclass(frozen=True)
class EvalTask:
    """A benchmark task: questions with reference answers."""

    name: str
    items: Source
    kind: Kind
    """Answer kind."""
    pool: Source | None = None
    """Pool of few-shot examples; matched by subject, if there are subjects."""
    about: str = ""
    """Instruction before generated answers; {subject} is replaced."""
    metrics: tuple[EvalMetric, ...] = (ACCURACY,)
    """Available metrics, the default first; free-text tasks also have the text metrics."""
    solved: Literal["shown", "truthfulqa"] = "shown"
    """Few-shot examples of likelihood comparison: from the pool, or TruthfulQA's fixed six."""
    loaded: tuple[Sample, ...] | None = None
    """The items, if they were read already; else `items` is read."""
    harness: HarnessTask | None = None
    """The task of lm-evaluation-harness, with its own prompts, decoding and grading."""

    def find_metric(self, name: str) -> EvalMetric | None:
        """Find a metric by name; None if it does not apply to this task.

        Raises:
            UserError: The part after the colon is not valid.
        """
        if self.harness is not None:
            return self.harness.find_metric(name)
        texts = text_metric(name) if self.kind == "text" else None
        return texts or next((metric for metric in self.metrics if metric.name == name), None)


@dataclass(frozen=True)
class PromptSetup:
    """A prompt setup: the model generates an answer, or likelihoods of the choices are compared."""

    name: str
    method: Method = "zero-shot"
    shots: int = 0
    convention: Convention | None = None
    """Likelihood convention; None if the model generates text."""
    layout: Layout = "turns"

    @property
    def examples(self) -> int | None:
        """Number of few-shot examples of a plain zero-shot or few-shot setup, else None."""
        return self.shots if self.convention is None and self.method in ("zero-shot", "few-shot") else None

    def prompting(self, kind: Kind, choices: int) -> Prompting:
        """Prompt format for an item of this answer kind and number of choices."""
        letters = choices if kind == "choice" else 0
        return Prompting(self.method, self.shots, kind=kind, choices=letters, layout=self.layout)


HARNESS_SETUP = PromptSetup("harness")
"""Prompt setup of a harness task with its configured number of few-shot examples."""


@dataclass(frozen=True)
class EvalCell:
    """One cell of the evaluation grid."""

    model: str
    task: EvalTask
    setup: PromptSetup
    decoding: Decoding | None
    """None for likelihood comparison and for harness tasks."""
    metric: EvalMetric = ACCURACY
    """Metric of the answers; cells with different metrics share answers."""

    @property
    def shots(self) -> int | None:
        """Few-shot examples of a harness task; None for its configured number."""
        return None if self.setup == HARNESS_SETUP else self.setup.shots

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that determines the prompts, except the items."""
        return {
            **({"harness": self.task.name} if self.task.harness is not None else {}),
            "model": self.model,
            "kind": self.task.kind,
            "about": self.task.about,
            "solved": self.task.solved,
            "pool": describe(self.task.pool) if self.task.pool is not None else None,
            "manner": asdict(self.setup),  # the key of stored answers
            "decoding": asdict(self.decoding) if self.decoding is not None else None,
        }


def cells(
    models: Sequence[str],
    tasks: Sequence[EvalTask],
    setups: Sequence[PromptSetup] = (),
    decodings: Sequence[Decoding] = (),
    metrics: Sequence[str] = (),
    *,
    usual: Decoding = GREEDY,
) -> list[EvalCell]:
    """All valid combinations, in order.

    Defaults: zero-shot, decoding `usual`, and the first metric of a task. Likelihood setups need choices and have no
    decoding. A harness task accepts only a number of few-shot examples and no decoding.

    Raises:
        UserError: A setup or metric applies to none of the tasks, a decoding is given and all tasks are harness tasks,
            or a name is given twice.
    """
    for what, names in (
        ("model", models),
        ("task", [task.name for task in tasks]),
        ("prompt", [setup.name for setup in setups]),
        ("metric", metrics),
    ):
        if twice := next((name for name in names if list(names).count(name) > 1), None):
            raise UserError(f"The {what} {twice!r} is given twice.", kind=what, name=twice)
    grid = [
        EvalCell(model, task, setup, decoding, metric)
        for model, task in product(models, tasks)
        for setup in _setups(task, setups)
        for decoding in _decodings(task, setup, decodings or (usual,))
        for metric in _metrics(task, metrics)
    ]
    _check_suited(grid, tasks, setups)
    if decodings and all(task.harness is not None for task in tasks):
        raise UserError(
            f"{', '.join(task.name for task in tasks)}: harness tasks define their own decoding.", hint="Omit --decode."
        )
    for name in metrics:
        if not any(_has_metric(cell, name) for cell in grid):
            hint = _offered(tasks, name)
            raise UserError(f"The metric {name!r} applies to none of the tasks.", hint=hint, kind="metric", name=name)
    return grid


def _setups(task: EvalTask, setups: Sequence[PromptSetup]) -> list[PromptSetup]:
    if task.harness is not None:
        return [setup for setup in setups if setup.examples is not None] or [HARNESS_SETUP]
    return [
        setup for setup in setups or (PromptSetup("zero-shot"),) if setup.convention is None or task.kind == "choice"
    ]


def _decodings(task: EvalTask, setup: PromptSetup, decodings: Sequence[Decoding]) -> Sequence[Decoding | None]:
    return (None,) if task.harness is not None or setup.convention is not None else decodings


def _metrics(task: EvalTask, names: Sequence[str]) -> Sequence[EvalMetric]:
    metrics = {metric.name: metric for name in names if (metric := task.find_metric(name)) is not None}
    return tuple(metrics.values()) or task.metrics[:1]


def _has_metric(cell: EvalCell, name: str) -> bool:
    """Whether the cell has the metric `name`, which may be a short form for a harness metric."""
    return cell.metric == cell.task.find_metric(name)


def _offered(tasks: Sequence[EvalTask], name: str) -> str:
    """Hint with the nearest and all available metrics, or the reason why a harness metric is not supported."""
    for task in tasks:
        if task.harness is not None and name in task.harness.refused:
            return f"{name} of {task.name} is not a mean over documents; available: {'; '.join(_names(task))}."
    near = get_close_matches(name, [metric for task in tasks for metric in _names(task)], n=1)
    offers = [f"{task.name}: {'; '.join(_names(task))}." for task in tasks]
    return " ".join([*(f"Did you mean {metric!r}?" for metric in near), *offers])


def _names(task: EvalTask) -> Sequence[str]:
    return WRITTEN if task.kind == "text" and task.harness is None else [metric.name for metric in task.metrics]


def _check_suited(grid: Sequence[EvalCell], tasks: Sequence[EvalTask], setups: Sequence[PromptSetup]) -> None:
    names = ", ".join(task.name for task in tasks)
    for setup in setups:
        if any(cell.setup == setup for cell in grid):
            continue
        if all(task.harness is not None for task in tasks):
            raise UserError(
                f"The prompt {setup.name!r} cannot be used with tasks of lm-evaluation-harness, which define their own "
                "prompts.",
                hint="Use zero-shot or few-shot:K to set the number of examples.",
            )
        raise UserError(
            f"The prompt {setup.name!r} compares answer choices, but no task has choices.",
            hint=f"For {names} use {', '.join(METHODS)}.",
            kind="prompt",
            name=setup.name,
        )


def parse_prompt_setup(text: str) -> PromptSetup:
    """Parse a prompt setup of the command line: "zero-shot", "few-shot:5", "letter:5".

    Raises:
        UserError: The name is unknown, or the number of examples is not valid.
    """
    name, colon, number = text.partition(":")
    names = (*METHODS, *CONVENTIONS)
    if name not in names:
        raise UserError(f"Unknown prompt {name!r}.", hint=did_you_mean(name, names), kind="prompt", name=name)
    if colon and not (number.isdigit() and int(number) > 0):
        raise UserError(f"{text!r}: expected a positive number of examples after the colon, got {number!r}.")
    shots = int(number) if number else 0
    if name in CONVENTIONS:
        return PromptSetup(text, shots=shots, convention=name)  # type: ignore[arg-type]
    if name in FEW_SHOT_METHODS:
        return PromptSetup(f"{name}:{shots or SHOTS}", name, shots or SHOTS)  # type: ignore[arg-type]
    if shots:
        raise UserError(f"{name!r} takes no number of examples, got {shots}.", hint="few-shot and chain-of-thought do.")
    return PromptSetup(name, name)  # type: ignore[arg-type]


def choices_of(item: Sample) -> tuple[str, ...]:
    """Texts of the answer choices, in order."""
    choices: list[str] = []
    while f"choice{len(choices)}" in item.fields:
        choices.append(item.text(f"choice{len(choices)}"))
    return tuple(choices)
