"""Rows of CSV, JSONL and JSON files, with their position for error messages.

Files are UTF-8, with or without a byte order mark; Windows line ends are normalized, in cells too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from assay.core.errors import SourceError, did_you_mean
from assay.core.sample import Sample
from assay.text.answers.choices import LETTERS


@dataclass(frozen=True)
class Record:
    """A row or object of a file."""

    place: str
    """For messages: path and line (from 1), or item."""
    origin: str
    """For reports: name of the file and line or item, independent of the folder."""
    values: Mapping[str, Any]

    def problem(self, message: str, hint: str = "", **fields: object) -> SourceError:
        """Return an error that names the position."""
        return SourceError(f"{self.place}: {message}", hint=hint, place=self.place, **fields)

    def text(self, column: str) -> str:
        """Return a value that must be text and not blank.

        Raises:
            SourceError: It is missing, not text or blank, or has a lone surrogate.
        """
        if column not in self.values:
            raise self.problem(f"there is no {column!r}.", did_you_mean(column, self.values), name=column)
        value = self.values[column]
        if not isinstance(value, str):
            raise self.problem(f"{column} must be text, was {shorten(value)}.", name=column, value=value)
        if not value.strip():
            raise self.problem(f"{column} is blank.", name=column, value=value)
        return self.whole(value, column)

    def whole(self, value: str, column: str) -> str:
        r"""Return `value` if it can be encoded: JSON may have a lone surrogate, such as "\ud800".

        Raises:
            SourceError: It cannot.
        """
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.problem(f"{column} has a lone surrogate: {error}.", name=column) from error
        return value


def shorten(value: object) -> str:
    """Return a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_text(file: Path, expected: str) -> str:
    """Read a text file.

    Args:
        file: Path of the file.
        expected: What the file should be, for messages.

    Raises:
        SourceError: It does not exist, or is not UTF-8.
    """
    if file.is_dir():
        raise SourceError(f"{str(file)!r} is a folder, not {expected}.", path=str(file))
    if not file.is_file():
        names = [entry.name for entry in file.parent.iterdir() if entry.is_file()] if file.parent.is_dir() else []
        near = get_close_matches(file.name, names, n=1)  # not all names: a folder may hold thousands
        raise SourceError(
            f"There is no file {str(file)!r}, {expected}.",
            hint=f"Did you mean {near[0]!r}?" if near else "",
            path=str(file),
            near=near,
        )
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error}.", path=str(file)) from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{file}, line {line}: not UTF-8, byte {content[error.start] if content else 0:#04x}.",
            hint="Save it as UTF-8.",
            path=str(file),
            line=line,
        ) from error


def csv_records(
    file: Path, needed: Sequence[str], expected: str, unnamed: Callable[[Sequence[str]], bool] = lambda row: False
) -> list[Record]:
    """Read the rows of a CSV file whose first row names the columns; empty lines are skipped.

    If `unnamed` is true of the first row, it is data, and `needed` are the columns in order.

    Raises:
        SourceError: As `read_text`; or a column is missing or duplicated; or a row is invalid or has a wrong length.
    """
    rows = list(_csv_rows(file, read_text(file, expected)))
    headless = bool(rows) and unnamed(rows[0][1])
    columns = list(needed) if headless else _columns(file, rows.pop(0) if rows else (1, []), needed)
    records = []
    for line, row in rows:
        if len(row) != len(columns):
            raise SourceError(
                f"{file}, line {line}: a row must have {len(columns)} cells ({', '.join(columns)}), had {len(row)}.",
                hint="A cell that holds a comma, a quotation mark or a new line must be in quotation marks.",
                path=str(file),
                line=line,
                cells=len(row),
            )
        values = dict(zip(columns, row, strict=True))
        records.append(Record(f"{file}, line {line}", f"{file.name}:{line}", values))
    return records


def _columns(file: Path, first: tuple[int, Sequence[str]], needed: Sequence[str]) -> list[str]:
    """Return the names in the first row."""
    line, columns = first[0], [name.strip() for name in first[1]]
    for name in needed:
        if name not in columns:
            raise SourceError(
                f"{file}, line {line}: the first row must name the columns {', '.join(needed)}; "
                f"there is no {name!r}, only {shorten(columns)}.",
                hint=did_you_mean(name, columns),
                path=str(file),
                line=line,
                name=name,
            )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise SourceError(
            f"{file}, line {line}: two columns have the name {twice[0]!r}.", path=str(file), line=line, name=twice[0]
        )
    return columns


def _csv_rows(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, cells) of each row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SourceError(
                f"{file}, line {line}: invalid CSV: {error}.",
                hint="Is a quotation mark left open or not doubled?",
                path=str(file),
                line=line,
            ) from error
        if row:
            yield line, row


def jsonl_records(file: Path, needed: Sequence[str], expected: str) -> list[Record]:
    """Read the objects of a JSONL file; blank lines are skipped, and numbers keep their notation.

    Raises:
        SourceError: As `read_text`; or a line is not a JSON object, or lacks one of `needed`.
    """
    records = []
    for nth, line in enumerate(read_text(file, expected).split("\n"), start=1):
        if line.strip():
            records.append(jsonl_record(file, nth, line, needed))
    return records


def jsonl_record(file: Path, nth: int, line: str, needed: Sequence[str]) -> Record:
    """Parse the object in line `nth`, from 1.

    Raises:
        SourceError: It is not a JSON object, or lacks one of `needed`.
    """
    record = Record(f"{file}, line {nth}", f"{file.name}:{nth}", {})
    return _object(record, _parsed(line, record.place), needed)


def json_records(file: Path, needed: Sequence[str], expected: str) -> list[Record]:
    """Read the objects of a JSON file with a single list; positions are items, from 1.

    Raises:
        SourceError: As `read_text`; or it is not a list of objects, or one lacks one of `needed`.
    """
    whole = _parsed(read_text(file, expected), str(file))
    if not isinstance(whole, list):
        raise SourceError(f"{file} must be a list of objects, was {shorten(whole)}.", path=str(file), value=whole)
    return [
        _object(Record(f"{file}, item {nth}", f"{file.name}#{nth}", {}), value, needed)
        for nth, value in enumerate(whole, start=1)
    ]


def _object(record: Record, value: object, needed: Sequence[str]) -> Record:
    if not isinstance(value, dict):
        raise record.problem(
            f"must be an object{' with ' * bool(needed)}{', '.join(needed)}, was {shorten(value)}.", value=value
        )
    for name in needed:
        if name not in value:
            raise record.problem(f"there is no {name!r}.", did_you_mean(name, value), name=name)
    return Record(record.place, record.origin, value)


def _parsed(text: str, place: str) -> Any:
    """Parse JSON with numbers as text: 1.10 stays 1.10, and numbers have no size limit."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
    except RecursionError as error:
        raise SourceError(f"{place}: the JSON is nested too deeply.", place=place) from error
    except ValueError as error:
        raise SourceError(f"{place}: not JSON: {error}.", place=place, cause=str(error)) from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"{shorten(next(name for name in names if names.count(name) > 1))} is a duplicate key of an object"
        )
    return content


def lettered(record: Record, choices: Sequence[str], right: Iterable[int]) -> dict[str, str]:
    """Return the fields "answer" ("B"; "A,C" for several) and "choice0", "choice1", ...

    Raises:
        SourceError: There are fewer than two choices or more than letters, or one is blank.
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise record.problem(
            f"a question must have 2 to {len(LETTERS)} choices, had {len(choices)}.", choices=len(choices)
        )
    for nth, choice in enumerate(choices):
        if not choice.strip():
            raise record.problem(f"choice {nth} is blank.", name=f"choice {nth}")
        record.whole(choice, f"choice {nth}")
    answer = ",".join(LETTERS[nth] for nth in sorted(set(right)))
    return {"answer": answer, **{f"choice{nth}": choice for nth, choice in enumerate(choices)}}


def digest_of(files: Iterable[Path]) -> str:
    """Digest of names and contents of files; missing files are included as such."""
    rows = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "") for file in files]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def check_limit(owner: str, name: str, limit: int | None) -> None:
    """Validate that a limit is at least 1.

    Raises:
        ValueError: It is not.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"{owner}.{name} must be at least 1, was {limit}.")


def check_path(owner: str, path: str, what: str) -> None:
    """Validate that a path is not empty.

    Raises:
        ValueError: It is.
    """
    if not path:
        raise ValueError(f"{owner}.path must name {what}, was ''.")


def first_of_each(samples: Sequence[Sample], per_label: int | None, skip: int, where: str) -> Sequence[Sample]:
    """Return `per_label` samples of each label, or all, after skipping the first `skip`.

    Raises:
        SourceError: A label has fewer.
    """
    counts: dict[str, int] = {}
    selection = []
    for sample in samples:
        nth = counts.get(sample.text("label"), 0)
        counts[sample.text("label")] = nth + 1
        if nth >= skip and (per_label is None or nth < skip + per_label):
            selection.append(sample)
    for label, count in counts.items():
        if count < skip + (per_label or 1):
            expected = f"{per_label or 1} behind the first {skip}" if skip else str(per_label)
            raise SourceError(
                f"{where} has {count} texts of {label!r}; {expected} were requested.",
                path=where,
                label=label,
                count=count,
                per_label=per_label,
                skip=skip,
            )
    return selection


READERS: Mapping[str, Callable[[Path, Sequence[str], str], list[Record]]] = {
    ".csv": csv_records,
    ".jsonl": jsonl_records,
    ".ndjson": jsonl_records,
}
"""Reader of each file ending."""
