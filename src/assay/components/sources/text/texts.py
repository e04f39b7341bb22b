"""Texts from the lines or records of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.components.sources.files.records import (
    Record,
    check_limit,
    check_path,
    csv_records,
    digest_of,
    jsonl_record,
    read_text,
    shorten,
)
from assay.core.errors import SourceError, did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample

SUFFIXES = (".txt", ".jsonl", ".ndjson", ".csv")
_EXPECTED = "a file of texts"


@dataclass(frozen=True)
class TextRow:
    """One text of a file and its position."""

    line: int
    """From 1."""
    text: str
    """Not blank in a text file; any text in a record."""
    raw: str
    """The line unchanged, or a CSV row as JSON."""
    record: bool
    """Whether `raw` is a JSON object."""


@dataclass(frozen=True)
class Texts:
    """The first `limit` texts, one per line of a .txt file or per record of a .jsonl or .csv file, in its order.

    Blank lines are skipped. Fields: the text, under the name `field`, and origin. For example, human-written tasks for
    a novelty comparison.
    """

    path: str
    field: str = "instruction"
    """Column or key of the text; for a .txt file, the name of the field."""
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("Texts", self.path, "a file")
        check_limit("Texts", "limit", self.limit)

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        file = Path(self.path)
        rows = read_rows(file, self.field)[: self.limit]
        return [Sample({self.field: row.text, "origin": f"{file.name}:{row.line}"}) for row in rows]


def read_rows(file: Path, field: str) -> list[TextRow]:
    """Read all texts of a .txt, .jsonl or .csv file.

    Raises:
        SourceError: The file or a line is invalid, or there is no text; the message names the line.
    """
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(
            f"Expected a {', '.join(SUFFIXES)} file, was given {str(file)!r}.",
            hint=did_you_mean(suffix, SUFFIXES) if suffix else "",
        )
    if suffix == ".csv":
        records = csv_records(file, (field,), _EXPECTED)
        # A row's line is the one in which it begins.
        lines = [int(record.origin.rpartition(":")[2]) for record in records]
        rows = [_row(record, line, field, _as_json(record)) for record, line in zip(records, lines, strict=True)]
    else:
        lines_ = read_text(file, _EXPECTED).split("\n")
        rows = list(_rows(lines_, file, None if suffix == ".txt" else field))
    if not rows:
        raise SourceError(f"{file} has no text.")
    return rows


def rows_of(lines: Iterable[bytes], name: str, field: str | None) -> Iterator[TextRow]:
    """Yield texts line by line; with `field`, lines are JSON objects.

    Raises:
        SourceError: A line is not UTF-8, or not such an object; the message names it.
    """
    return _rows(_decoded(lines, name), Path(name), field)


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    for nth, line in enumerate(lines, start=1):
        try:
            yield line.decode("utf-8-sig" if nth == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{name}, line {nth}: not UTF-8, byte {line[error.start]:#04x}.", hint="Save it as UTF-8."
            ) from error


def _rows(lines: Iterable[str], file: Path, field: str | None) -> Iterator[TextRow]:
    for nth, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if field is None:
            yield TextRow(nth, line, line, record=False)
        else:
            yield _row(jsonl_record(file, nth, line, (field,)), nth, field, line)


def _row(record: Record, line: int, field: str, raw: str) -> TextRow:
    value = record.values[field]
    if not isinstance(value, str):
        raise record.problem(f"{field} must be text, was {shorten(value)}.")
    return TextRow(line, record.whole(value, field), raw, record=True)


def _as_json(record: Record) -> str:
    return json.dumps(dict(record.values), ensure_ascii=False)
