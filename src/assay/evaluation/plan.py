"""What `assay eval` crosses: models, tasks, ways to ask and ways to decode; each combination is a cell."""

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
from assay.evaluation.measures import RIGHT, WRITTEN, Measure, text_measure
from assay.pipeline.recipe.spec import describe
from assay.text.prompting.methods import METHODS, SHOWING, Kind, Layout, Method, Prompting
from assay.text.prompting.multiple_choice import CONVENTIONS, Convention

if TYPE_CHECKING:
    from assay.evaluation.harness.task import HarnessTask

GREEDY = Decoding()
SHOTS = 3
"""Examples where none are asked for by number."""
VERSION = 1
"""Of what is asked; another number asks everything anew."""


@dataclass(frozen=True)
class Task:
    """Questions with answers."""

    name: str
    items: Source
    kind: Kind
    """What sort of answer they have."""
    pool: Source | None = None
    """Questions whose answers may be shown as examples: those of the same subject, where there are subjects."""
    about: str = ""
    """What stands before everything where an answer is written; {subject} is the item's."""
    measures: tuple[Measure, ...] = (RIGHT,)
    """What is measured, the first where nobody says; a task of written answers has those of texts too."""
    solved: Literal["shown", "truthfulqa"] = "shown"
    """Before a question whose choices are compared: as many examples as wanted, or TruthfulQA's own six."""
    harness: HarnessTask | None = None
    """A task of lm-evaluation-harness, which brings its own prompts, decoding and grades."""

    def measure(self, name: str) -> Measure | None:
        """The measure of that name; None where it suits no answer of this task.

        Raises:
            UserError: It does not take what stands after its colon.
        """
        if self.harness is not None:
            return self.harness.measure(name)
        texts = text_measure(name) if self.kind == "text" else None
        return texts or next((one for one in self.measures if one.name == name), None)


@dataclass(frozen=True)
class Manner:
    """One way to ask: the model writes an answer, or the likelihoods of the choices are compared."""

    name: str
    method: Method = "zero-shot"
    shots: int = 0
    convention: Convention | None = None
    """None where the model writes."""
    layout: Layout = "turns"

    @property
    def examples(self) -> int | None:
        """How many examples it asks for and nothing else; None where it says more than that."""
        return self.shots if self.convention is None and self.method in ("zero-shot", "few-shot") else None

    def prompting(self, kind: Kind, choices: int) -> Prompting:
        """For an item of this kind, with so many choices."""
        letters = choices if kind == "choice" else 0
        return Prompting(self.method, self.shots, kind=kind, choices=letters, layout=self.layout)


OWN = Manner("harness")
"""A task of lm-evaluation-harness with the number of examples that it says itself."""


@dataclass(frozen=True)
class Cell:
    """One number of the table."""

    model: str
    task: Task
    manner: Manner
    decoding: Decoding | None
    """None where nothing is written, and where the task decodes as it says."""
    measure: Measure = RIGHT
    """Of the answers, which are the same whatever is measured."""

    @property
    def shots(self) -> int | None:
        """Examples in a task of lm-evaluation-harness; None for its own number."""
        return None if self.manner == OWN else self.manner.shots

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that what is asked depends on, beside the items."""
        return {
            **({"harness": self.task.name} if self.task.harness is not None else {}),
            "model": self.model,
            "kind": self.task.kind,
            "about": self.task.about,
            "solved": self.task.solved,
            "pool": describe(self.task.pool) if self.task.pool is not None else None,
            "manner": asdict(self.manner),
            "decoding": asdict(self.decoding) if self.decoding is not None else None,
        }


def cells(
    models: Sequence[str],
    tasks: Sequence[Task],
    manners: Sequence[Manner] = (),
    decodings: Sequence[Decoding] = (),
    measures: Sequence[str] = (),
    *,
    usual: Decoding = GREEDY,
) -> list[Cell]:
    """Every combination that there is, in order: likelihoods are not decoded, and need choices.

    Where nothing is named, a task is asked zero-shot and decoded as `usual`, and its first measure is taken. A task of
    lm-evaluation-harness takes of the prompts only a number of examples, and no decoding.

    Raises:
        UserError: A manner or measure suits none of the tasks, a decoding was named and no task is decoded by others
            than its own, or something is there twice.
    """
    for what, names in (
        ("model", models),
        ("task", [task.name for task in tasks]),
        ("prompt", [manner.name for manner in manners]),
        ("measure", measures),
    ):
        if twice := next((name for name in names if list(names).count(name) > 1), None):
            raise UserError(f"The {what} {twice!r} is there twice.")
    found = [
        Cell(model, task, manner, decoding, measure)
        for model, task in product(models, tasks)
        for manner in _manners(task, manners)
        for decoding in _decodings(task, manner, decodings or (usual,))
        for measure in _measures(task, measures)
    ]
    _check_suited(found, tasks, manners)
    if decodings and all(task.harness is not None for task in tasks):
        raise UserError(
            f"{', '.join(task.name for task in tasks)} is decoded as its file says.", hint="Leave --decode out."
        )
    for name in measures:
        if not any(_called(cell, name) for cell in found):
            raise UserError(f"The measure {name!r} suits none of the tasks.", hint=_offered(tasks, name))
    return found


def _manners(task: Task, named: Sequence[Manner]) -> list[Manner]:
    if task.harness is not None:
        return [manner for manner in named if manner.examples is not None] or [OWN]
    return [one for one in named or (Manner("zero-shot"),) if one.convention is None or task.kind == "choice"]


def _decodings(task: Task, manner: Manner, named: Sequence[Decoding]) -> Sequence[Decoding | None]:
    return (None,) if task.harness is not None or manner.convention is not None else named


def _measures(task: Task, named: Sequence[str]) -> Sequence[Measure]:
    found = {one.name: one for name in named if (one := task.measure(name)) is not None}
    return tuple(found.values()) or task.measures[:1]


def _called(cell: Cell, name: str) -> bool:
    """Whether the cell measures what `name` says; of the harness a name may be short for another."""
    return cell.measure == cell.task.measure(name)


def _offered(tasks: Sequence[Task], name: str) -> str:
    """The nearest name, and those that there are; why not, where a task has it and it is refused."""
    for task in tasks:
        if task.harness is not None and name in task.harness.refused:
            return f"{name} of {task.name} is no mean over documents; it has {'; '.join(_names(task))}."
    near = get_close_matches(name, [one for task in tasks for one in _names(task)], n=1)
    offers = [f"{task.name} has {'; '.join(_names(task))}." for task in tasks]
    return " ".join([*(f"Did you mean {one!r}?" for one in near), *offers])


def _names(task: Task) -> Sequence[str]:
    return WRITTEN if task.kind == "text" and task.harness is None else [one.name for one in task.measures]


def _check_suited(found: Sequence[Cell], tasks: Sequence[Task], manners: Sequence[Manner]) -> None:
    names = ", ".join(task.name for task in tasks)
    for manner in manners:
        if any(cell.manner == manner for cell in found):
            continue
        if all(task.harness is not None for task in tasks):
            raise UserError(
                f"The prompt {manner.name!r} suits no task of lm-evaluation-harness: they bring their own words.",
                hint="zero-shot and few-shot:K set the number of examples.",
            )
        raise UserError(
            f"The prompt {manner.name!r} compares choices, and none of the tasks has any.",
            hint=f"Ask {names} by {', '.join(METHODS)}.",
        )


def parse_manner(text: str) -> Manner:
    """The way to ask that a command line names: "zero-shot", "few-shot:5", "letter:5".

    Raises:
        UserError: It names none, or its number of examples is none.
    """
    name, colon, number = text.partition(":")
    known = (*METHODS, *CONVENTIONS)
    if name not in known:
        raise UserError(f"There is no prompt {name!r}.", hint=did_you_mean(name, known))
    if colon and not (number.isdigit() and int(number) > 0):
        raise UserError(f"{text!r}: expected a number of examples after the colon, had {number!r}.")
    shots = int(number) if number else 0
    if name in CONVENTIONS:
        return Manner(text, shots=shots, convention=name)  # type: ignore[arg-type]
    if name in SHOWING:
        return Manner(f"{name}:{shots or SHOTS}", name, shots or SHOTS)  # type: ignore[arg-type]
    if shots:
        raise UserError(f"{name!r} shows no examples, had {shots}.", hint="few-shot and chain-of-thought do.")
    return Manner(name, name)  # type: ignore[arg-type]


def choices_of(item: Sample) -> tuple[str, ...]:
    """The words of its choices, in order."""
    found: list[str] = []
    while f"choice{len(found)}" in item.fields:
        found.append(item.text(f"choice{len(found)}"))
    return tuple(found)
