"""MMLU: four-choice questions in 57 subjects (Hendrycks et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.components.sources.files.records import Record, check_limit, check_path, csv_records, digest_of, lettered
from assay.core.errors import SourceError, did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample

CHOICES = ("choice0", "choice1", "choice2", "choice3")
ANSWERS = ("0", "1", "2", "3", "A", "B", "C", "D")
NEEDED = ("question", *CHOICES, "answer")


@dataclass(frozen=True)
class Mmlu:
    """The first `per_subject` questions of each subject, or all, in order of subject and file.

    Reads `path`/`split`/SUBJECT.csv or SUBJECT_SPLIT.csv, with the columns question, choice0 to choice3 and answer, 0
    to 3; or as published, without a header, in that order, with answers A to D.

    Fields: question, answer ("A" to "D"), choice0 to choice3, subject ("abstract_algebra"), origin.

    Source: https://github.com/hendrycks/test, whose data.tar has dev/SUBJECT_dev.csv and test/SUBJECT_test.csv.
    """

    path: str
    split: str = "test"
    """Folder in `path`: "test", or "dev" with the five few-shot examples of each subject."""
    subjects: tuple[str, ...] = ()
    """All subjects if empty."""
    per_subject: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("Mmlu", self.path, "a folder")
        check_limit("Mmlu", "per_subject", self.per_subject)
        if not self.split or len(Path(self.split).parts) != 1 or self.split in (".", ".."):
            raise ValueError(f"Mmlu.split must name a folder in `path`, was {self.split!r}.")

    def listing(self) -> str:
        """Digest of the files that would be read."""
        return digest_of(self._files().values()) if (Path(self.path) / self.split).is_dir() else ""

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [
            self._sample(record, subject)
            for subject, file in self._files().items()
            for record in self._records(subject, file)
        ]

    def _files(self) -> dict[str, Path]:
        """Files of the selected subjects, by subject."""
        root, folder = Path(self.path), Path(self.path) / self.split
        if not folder.is_dir():
            folders = [entry.name for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []
            raise SourceError(
                f"There is no folder {str(folder)!r}.",
                hint=f"Mmlu reads PATH/SPLIT/SUBJECT.csv. {_hint(self.split, folders)}",
                path=str(folder),
            )
        files = {file.stem.removesuffix(f"_{self.split}"): file for file in sorted(folder.glob("*.csv"))}
        if not files:
            hint = "Mmlu reads PATH/SPLIT/SUBJECT.csv."
            raise SourceError(f"No .csv files in {str(folder)!r}.", hint=hint, path=str(folder))
        for subject in self.subjects:
            if subject not in files:
                raise SourceError(
                    f"There is no subject {subject!r} in {str(folder)!r}.",
                    hint=did_you_mean(subject, files),
                    path=str(folder),
                    name=subject,
                )
        return {name: files[name] for name in sorted(files) if not self.subjects or name in self.subjects}

    def _records(self, subject: str, file: Path) -> Sequence[Record]:
        records = csv_records(file, NEEDED, f"the questions of {subject}", _published)[: self.per_subject]
        if not records:
            raise SourceError(f"{file} has no questions.", path=str(file), records=0)
        return records

    def _sample(self, record: Record, subject: str) -> Sample:
        answer = record.text("answer").strip()
        if answer not in ANSWERS:
            raise record.problem(
                f"answer must be 0, 1, 2 or 3, or A, B, C or D, was {answer!r}.", name="answer", value=answer
            )
        fields = lettered(record, [record.text(name) for name in CHOICES], [ANSWERS.index(answer) % len(CHOICES)])
        origin = f"{self.split}/{record.origin}"
        return Sample({"question": record.text("question"), **fields, "subject": subject, "origin": origin})


def _published(row: Sequence[str]) -> bool:
    """Whether a first row is a question, as in the official files, rather than the names of columns."""
    return len(row) == len(NEEDED) and row[-1].strip() in ANSWERS


def _hint(word: str, names: Sequence[str]) -> str:
    return did_you_mean(word, names) if names else ""
