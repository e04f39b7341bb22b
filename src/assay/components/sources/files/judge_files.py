"""Texts or pairs of answers to judge, with optional human labels, from CSV or JSONL files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from assay.components.sources.files.dialogue_cells import history_in
from assay.components.sources.files.records import READERS, Record, shown
from assay.core.errors import SourceError, did_you_mean
from assay.core.sample import Sample

RATED = ("history", "instruction", "input", "output", "human", "reference")
"""Columns of texts to grade; only `output` is required."""
PAIRED = ("history", "instruction", "input", "output_a", "output_b", "model_a", "model_b", "label", "reference")
"""Columns of pairs; instruction and both outputs are required."""
BLANK = ("instruction", "input", "output", "output_a", "output_b")
"""Texts that may be empty: an empty answer is judged too."""
LABELS: Mapping[str, str] = {
    **dict.fromkeys(("a", "1", "model_a", "output_a", "output_1"), "a"),
    **dict.fromkeys(("b", "2", "model_b", "output_b", "output_2"), "b"),
    **dict.fromkeys(("tie", "0", "draw", "c"), "tie"),
}
"""Accepted labels, in lower case."""


def read_rated(path: Path, columns: Mapping[str, str] | None = None, limit: int | None = None) -> list[Sample]:
    """Read texts to grade. Fields: output; those of `RATED` that the file has; human is a number.

    `history`, the earlier messages, is a list of messages, or in CSV its JSON text. `columns` maps names to the columns
    of the file.

    Example row: {"instruction": "Name a fruit.", "output": "A pear.", "human": 5}

    Raises:
        SourceError: The file or a row is invalid; the message names the line, the expected and the actual value.
    """
    return [_sample(record, names, RATED) for record, names in _records(path, columns, RATED, ("output",), limit)]


def read_pairs(path: Path, columns: Mapping[str, str] | None = None, limit: int | None = None) -> list[Sample]:
    """Read pairs to judge. Fields: instruction, output_a, output_b; the others of `PAIRED` that the file has.

    `columns` maps names to the columns of the file. A label is one of `LABELS` and becomes "a", "b" or "tie". Numbers
    are 1, 2 and 0 for a tie; a file with only 0 and 1 is ambiguous, and is refused.

    Example row: {"instruction": "Name a fruit.", "output_a": "A pear.", "output_b": "A chair.", "label": "a"}

    Raises:
        SourceError: As `read_rated`.
    """
    needed = ("instruction", "output_a", "output_b")
    records = _records(path, columns, PAIRED, needed, None)
    _check_numbers(path, records)
    return [_sample(record, names, PAIRED) for record, names in records[:limit]]


def _check_numbers(path: Path, records: Sequence[tuple[Record, Mapping[str, str]]]) -> None:
    """Refuse labels that are 0 and 1 only.

    Raises:
        SourceError: They are.
    """
    values = {str(record.values.get(names.get("label", ""), "")).strip() for record, names in records}
    if values - {"", "None"} == {"0", "1"}:
        raise SourceError(
            f"{path}: all labels are 0 or 1, and nothing says whether 0 is a tie or the first answer.",
            hint="Write a, b and tie, or 1, 2 and 0.",
        )


def _records(
    path: Path, columns: Mapping[str, str] | None, known: Sequence[str], needed: Iterable[str], limit: int | None
) -> list[tuple[Record, Mapping[str, str]]]:
    named = dict(columns or {})
    # What the user named one thing is not another by its own name.
    names = {name: name for name in known if name not in named.values()} | named
    if unknown := [name for name in names if name not in known]:
        raise SourceError(f"There is no column {unknown[0]!r} to be named.", hint=did_you_mean(unknown[0], known))
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"Expected a {', '.join(READERS)} file, was given {path.name!r}.")
    # A column that the user named must be there; those that only may be there are looked for.
    wanted = dict.fromkeys([*(names.get(name, name) for name in needed), *named.values()])
    records = reader(path, tuple(wanted), "a table of what is to be judged")[:limit]
    if not records:
        raise SourceError(f"{path} holds nothing to be judged.")
    return [(record, names) for record in records]


def _sample(record: Record, names: Mapping[str, str], known: Sequence[str]) -> Sample:
    fields = {}
    for name in (name for name in known if name in names):
        value = record.values.get(names[name])
        if name == "history":
            if before := history_in(record, names[name]):
                fields[name] = before
            continue
        if value is None or (value == "" and name not in BLANK):
            if name in ("output", "output_a", "output_b"):
                raise record.problem(f"{names[name]} must be text, was {shown(value)}.")
            continue
        if not isinstance(value, str):
            raise record.problem(f"{names[name]} must be text, was {shown(value)}.")
        fields[name] = _checked(record, names[name], name, record.whole(value, names[name]))
    return Sample({**fields, "origin": record.origin})


def _checked(record: Record, column: str, name: str, value: str) -> str:
    if name == "label":
        if (label := LABELS.get(value.strip().casefold())) is None:
            raise record.problem(f"{column} must be a, b or tie, was {shown(value)}.", "Also 1, 2 and 0.")
        return label
    if name == "human":
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise record.problem(f"{column} must be a number, was {shown(value)}.")
    if name == "instruction" and not value.strip() and "output" not in record.values:
        raise record.problem(f"{column} is blank: without an instruction there is nothing to judge answers by.")
    return value
