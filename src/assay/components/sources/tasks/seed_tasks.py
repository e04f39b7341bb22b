"""Tasks with answers: those that ship with assay, or a file in the format of Self-Instruct, Alpaca or a chat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal, get_args

from assay.components.sources.files.records import check_limit, digest_of
from assay.components.sources.files.task_files import FileTask, read_tasks
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample

Part = Literal["seed", "held-out"]
Language = Literal["any", "en", "ko"]
Classification = Literal["any", "yes", "no"]
_SHIPPED: Mapping[str, str] = {"seed": "seed-tasks.jsonl", "held-out": "held-out-tasks.jsonl"}


@dataclass(frozen=True)
class SeedTasks:
    """The first `limit` tasks of a language and kind, of assay's own or of a .jsonl or .json file, in its order.

    A task of the file is an object as in Self-Instruct's seed_tasks.jsonl (`instruction`, `instances`: a list of
    `input` and `output`; optionally `id`, `name`, `is_classification`) or as in Alpaca (`instruction`, `input`,
    `output`); either may have a `language`. Or it is a dialogue: `messages` that alternate between user and assistant
    (`role`, `content`), after an optional system message, of which the last one is the answer; one that ends with the
    user is unanswered. The second form may have a `history` too: messages, or pairs of user and assistant texts. The
    whole file is validated, whatever is requested of it.

    Fields: instruction; input, "" if there is none; output; name, "" if there is none; language, "en" or "ko";
    classification, "yes", "no" or "" if unknown; origin; in a file with a dialogue also history, "" if there is none.
    Without a language, that of `language_of` the instruction is used.

    Source: Wang et al. 2022, "Self-Instruct"; yizhongw/self-instruct, data/seed_tasks.jsonl, for the first form, and
    Taori et al. 2023, "Alpaca", for the second; `messages` are TRL's ("Dataset formats and types", conversational
    language modeling). Differences: tasks have a language, and assay's own tasks (recipes/TASKS.md) are not taken from
    them.
    """

    path: str = ""
    """Path of a file; "" for the data that ships with assay."""
    part: Part = "seed"
    """Part of assay's own tasks: "seed", as examples for generation, or "held-out", for evaluation. Not for files."""
    language: Language = "any"
    classification: Classification = "any"
    """Only tasks with a closed set of answers, or only the others; tasks of unknown kind match neither."""
    instances: Literal["first", "all"] = "first"
    """One sample per task, or one per instance."""
    unanswered: Literal["refuse", "skip"] = "refuse"
    """Refuse a file with a blank output or an unanswered dialogue, or skip those."""
    limit: int | None = None
    """Number of tasks, not of samples."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"SeedTasks.{name} must be one of {', '.join(allowed)}, was {getattr(self, name)!r}.")
        check_limit("SeedTasks", "limit", self.limit)
        if self.path and self.part != "seed":
            raise ValueError(
                f"SeedTasks.part selects from the tasks of assay; with a path it must not be set, was {self.part!r}."
            )

    @property
    def file(self) -> Path:
        """Path of the file."""
        return Path(self.path) if self.path else Path(str(resources.files("assay.recipes"))) / _SHIPPED[self.part]

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([self.file])

    def read(self, lab: Lab) -> Sequence[Sample]:
        tasks = read_tasks(self.file, skip_blank=self.unanswered == "skip")
        selection = [task for task in tasks if self._is_selected(task)][: self.limit]
        if not selection:
            raise SourceError(
                f"{self.file} has no task with {self._selection_text()}; it has {len(tasks)} tasks: {_counts(tasks)}."
            )
        last = 1 if self.instances == "first" else None
        return [Sample(fields) for task in selection for fields in task.samples(last)]

    def _is_selected(self, task: FileTask) -> bool:
        return self.language in ("any", task.language) and self.classification in ("any", task.classification)

    def _selection_text(self) -> str:
        return f"language {self.language!r} and classification {self.classification!r}"


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "part": get_args(Part),
    "language": get_args(Language),
    "classification": get_args(Classification),
    "instances": ("first", "all"),
    "unanswered": ("refuse", "skip"),
}


def _counts(tasks: Sequence[FileTask]) -> str:
    """Such as "en 175; classification: no 149, yes 26"."""
    languages = Counter(task.language for task in tasks)
    kinds = Counter(task.classification or "unknown" for task in tasks)
    parts = [", ".join(f"{name} {count}" for name, count in sorted(counts.items())) for counts in (languages, kinds)]
    return f"{parts[0]}; classification: {parts[1]}"
