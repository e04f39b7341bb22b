"""Multiple-choice questions about common misconceptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

from assay.components.sources.files.records import check_limit, digest_of
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.truthful_qa import TruthfulQa
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample

SHIPPED = "misconceptions.jsonl"


@dataclass(frozen=True)
class Misconceptions:
    """The first `limit` questions, or all, each with one true answer and plausible false ones.

    By default those that ship with assay (recipes/AUXILIARY_EVALUATION.md); or a .csv or .jsonl file as `Questions`
    reads it, in which every question has choices and one correct answer; or a .json file: mc_task.json of TruthfulQA.

    Fields: question, choice0, choice1, ..., answer (the letter of the true one), subject if there is one, origin.

    Source: modeled on mc1 of TruthfulQA (Lin et al. 2022), without its questions. Differences: neither position nor
    length reveals the true answer, and there are always four choices.
    """

    path: str = ""
    """Path of a file; "" for the data that ships with assay."""
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_limit("Misconceptions", "limit", self.limit)

    @property
    def file(self) -> Path:
        """Path of the file."""
        return Path(self.path) if self.path else Path(str(resources.files("assay.recipes"))) / SHIPPED

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([self.file])

    def read(self, lab: Lab) -> Sequence[Sample]:
        """Return the questions.

        Raises:
            SourceError: The file is invalid, or a question has no choices or several correct answers; names the line.
        """
        kind = TruthfulQa if self.file.suffix.lower() == ".json" else Questions
        found = kind(str(self.file)).read(lab)
        for sample in found:
            if "choice0" not in sample.fields:
                raise SourceError(f"{sample.text('origin')}: the question has no choices.")
            if "," in sample.text("answer"):
                raise SourceError(
                    f"{sample.text('origin')}: a question must have one true answer, had {sample.text('answer')}."
                )
        return found[: self.limit]
