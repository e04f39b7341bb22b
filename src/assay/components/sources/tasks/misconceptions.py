"""Questions that many people answer wrongly, with one true answer each to find: assay's own, or a file of yours."""

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
    """The first `limit` questions, or all, with one true answer among false ones that sound right.

    Of assay's own, of which recipes/BESIDE.md tells; of a .csv or .jsonl file as `Questions` reads it, in which every
    question has choices and one right answer; or of a .json file: TruthfulQA's mc_task.json.

    Fields: question, choice0, choice1, ..., answer (the letter of the true one), subject where there is one, origin.

    Source: in the manner of TruthfulQA's mc1 (Lin et al. 2022), of which assay's own hold no question. We differ: the
    true answer is told neither by its place nor by its length, and there are always four to choose from.
    """

    path: str = ""
    """A file of yours; "" for those that come with assay."""
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_limit("Misconceptions", "limit", self.limit)

    @property
    def file(self) -> Path:
        """Where they lie."""
        return Path(self.path) if self.path else Path(str(resources.files("assay.recipes"))) / SHIPPED

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([self.file])

    def read(self, lab: Lab) -> Sequence[Sample]:
        """The questions.

        Raises:
            SourceError: The file is not as expected, or a question has no choices or several right answers; the message
                names the line.
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
