"""Labeled texts from a CSV or JSONL file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.components.sources.files.records import (
    check_limit,
    check_path,
    csv_records,
    digest_of,
    first_of_each,
    jsonl_records,
)
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample

ENDINGS = (".csv", ".jsonl")


@dataclass(frozen=True)
class LabeledTexts:
    """Read a text and a label from each row, in the order of the file; the first `per_label` of each label, or all.

    `skip` skips the first samples of each label, so one file can give both training and held-out samples.
    """

    path: str
    text: str = "text"
    """Column or key of the text."""
    label: str = "label"
    """Column or key of the label."""
    per_label: int | None = None
    skip: int = 0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("LabeledTexts", self.path, "a .csv or .jsonl file")
        check_limit("LabeledTexts", "per_label", self.per_label)
        if self.skip < 0:
            raise ValueError(f"LabeledTexts.skip must be 0 or more, was {self.skip}.")
        if self.text == self.label:
            raise ValueError(f"LabeledTexts.text and .label must be two columns, were both {self.text!r}.")

    def listing(self) -> str:
        """Digest of the file: one that has changed is read again."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        file = Path(self.path)
        if file.suffix.lower() not in ENDINGS:
            raise SourceError(f"LabeledTexts reads .csv and .jsonl files, was given {self.path!r}.", path=self.path)
        records = csv_records if file.suffix.lower() == ".csv" else jsonl_records
        rows = records(file, (self.text, self.label), "with a text and its label in each row")
        samples = [
            Sample({"label": row.text(self.label).strip(), "text": row.text(self.text), "origin": row.origin})
            for row in rows
        ]
        if not samples:
            raise SourceError(f"There are no rows in {self.path!r}.", path=self.path, records=0)
        return first_of_each(samples, self.per_label, self.skip, self.path)
