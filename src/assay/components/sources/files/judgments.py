"""Texts and pairs of answers to judge, with optional human labels, and pairwise votes, from CSV or JSONL files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from assay.components.sources.files.records import READERS, Record, shorten
from assay.components.sources.files.task_files import read_history_cell
from assay.core.errors import FieldError, SourceError, did_you_mean
from assay.core.sample import Sample
from assay.stats.ratings.votes import LOST, TIED, WON, PairwiseVotes, votes

RATED = ("history", "instruction", "input", "output", "human", "reference")
"""Columns of texts to grade; only `output` is required."""
PAIRED = ("history", "instruction", "input", "output_a", "output_b", "model_a", "model_b", "label", "reference")
"""Columns of pairs; instruction and both outputs are required."""
BLANK = ("instruction", "input", "output", "output_a", "output_b")
"""Texts that may be empty: empty answers are judged, too."""
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
    are 1, 2 and 0 for a tie; a file with only 0 and 1 is ambiguous, and is rejected.

    Example row: {"instruction": "Name a fruit.", "output_a": "A pear.", "output_b": "A chair.", "label": "a"}

    Raises:
        SourceError: As `read_rated`.
    """
    needed = ("instruction", "output_a", "output_b")
    records = _records(path, columns, PAIRED, needed, None)
    _check_numbers(path, records)
    return [_sample(record, names, PAIRED) for record, names in records[:limit]]


def _check_numbers(path: Path, records: Sequence[tuple[Record, Mapping[str, str]]]) -> None:
    """Reject labels that are 0 and 1 only.

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
    path: Path, columns: Mapping[str, str] | None, allowed: Sequence[str], needed: Iterable[str], limit: int | None
) -> list[tuple[Record, Mapping[str, str]]]:
    renamed = dict(columns or {})
    # A column that the user assigned to one name is not used under its own name.
    names = {name: name for name in allowed if name not in renamed.values()} | renamed
    if unknown := [name for name in names if name not in allowed]:
        raise SourceError(
            f"There is no column name {unknown[0]!r}.", hint=did_you_mean(unknown[0], allowed), name=unknown[0]
        )
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"Expected a {', '.join(READERS)} file, was given {path.name!r}.", path=str(path))
    # Columns that the user assigned are required.
    required = dict.fromkeys([*(names.get(name, name) for name in needed), *renamed.values()])
    records = reader(path, tuple(required), "a table of answers to judge")[:limit]
    if not records:
        raise SourceError(f"{path} has no rows.", path=str(path), records=0)
    return [(record, names) for record in records]


def _sample(record: Record, names: Mapping[str, str], allowed: Sequence[str]) -> Sample:
    fields = {}
    for name in (name for name in allowed if name in names):
        value = record.values.get(names[name])
        if name == "history":
            if history := read_history_cell(record, names[name]):
                fields[name] = history
            continue
        if value is None or (value == "" and name not in BLANK):
            if name in ("output", "output_a", "output_b"):
                raise record.problem(f"{names[name]} must be text, was {shorten(value)}.")
            continue
        if not isinstance(value, str):
            raise record.problem(f"{names[name]} must be text, was {shorten(value)}.")
        fields[name] = _checked(record, names[name], name, record.whole(value, names[name]))
    return Sample({**fields, "origin": record.origin})


def _checked(record: Record, column: str, name: str, value: str) -> str:
    if name == "label":
        if (label := LABELS.get(value.strip().casefold())) is None:
            raise record.problem(f"{column} must be a, b or tie, was {shorten(value)}.", "Also 1, 2 and 0.")
        return label
    if name == "human":
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise record.problem(f"{column} must be a number, was {shorten(value)}.", name=column, value=value)
    if name == "instruction" and not value.strip() and "output" not in record.values:
        raise record.problem(f"{column} is blank: answers cannot be judged without an instruction.")
    return value


MODELS = (("model_a", "model_b"), ("left", "right"))
"""Pairs of columns with the names of the two models; the first pair that exists is used."""
FIRST = ("model_a", "left", "a")
SECOND = ("model_b", "right", "b")
TIES = ("tie", "draw", "tie (bothbad)", "bothbad", "both_bad")


def read_votes(path: Path, *, weight: str | None = None, controls: Sequence[str] = ()) -> PairwiseVotes:
    """Read the votes of a .csv file with a header, or of a .jsonl file, in its order.

    Columns: two of MODELS, and winner: one of FIRST, SECOND or TIES, or the name of either model. `weight` names a
    column of numbers above zero. Each of `controls` names a column of differences (first minus second), or two
    columns NAME_a and NAME_b of amounts of 0 or more. Their difference is divided by their sum, as in Chatbot Arena; 0
    if both are 0.

    Example row: model_a,model_b,winner with "gpt-4,claude-v1,model_a".

    Raises:
        SourceError: The file cannot be read or is empty, or a line is invalid, such as a winner that is the name of one
            model and the word for the other; the message names the line.
        FieldError: A column is missing.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"Votes are read from {', '.join(READERS)} files, not from {path.name!r}.", path=str(path))
    records = reader(path, (), "a table of votes")
    if not records:
        raise SourceError(
            f"{path} has no votes.", hint="Expected the columns model_a, model_b and winner.", path=str(path)
        )
    a, b = _model_columns(path, records[0].values)
    pairs = [(_text(record, a), _text(record, b)) for record in records]
    for record, (first, second) in zip(records, pairs, strict=True):
        if first == second:
            raise record.problem(f"{first!r} is compared with itself.")
    outcomes = [outcome_of(record, pair) for record, pair in zip(records, pairs, strict=True)]
    weights = None if weight is None else [_weight(record, weight) for record in records]
    covariates = {name: [_difference(record, name) for record in records] for name in controls}
    try:
        return votes([first for first, _ in pairs], [second for _, second in pairs], outcomes, weights, covariates)
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from error


def _model_columns(path: Path, columns: Iterable[str]) -> tuple[str, str]:
    existing = list(columns)
    for a, b in MODELS:
        if a in existing and b in existing:
            return a, b
    pairs = " or ".join(f"{a} and {b}" for a, b in MODELS)
    raise FieldError(f"{path} has no columns of model names: expected {pairs}.", hint=f"It has: {', '.join(existing)}.")


def _text(record: Record, name: str) -> str:
    if name not in record.values:
        raise FieldError(f"{record.place}: there is no column {name!r}.", hint=did_you_mean(name, record.values))
    return record.text(name).strip()


def outcome_of(record: Record, pair: tuple[str, str]) -> float:
    """WON, TIED or LOST for the first of a pair of models, from the column `winner`.

    Raises:
        SourceError: The winner is unknown or ambiguous.
        FieldError: There is no such column.
    """
    winner = _text(record, "winner")
    word = winner.casefold()
    by_name = [WON] * (winner == pair[0]) + [LOST] * (winner == pair[1])
    by_word = [outcome for words, outcome in ((FIRST, WON), (SECOND, LOST), (TIES, TIED)) if word in words]
    readings = {*by_name, *by_word}
    if len(readings) == 1:
        return readings.pop()
    if readings:
        raise record.problem(
            f"the winner {winner!r} is ambiguous: it is the name of a model and also the word for another outcome.",
            hint="Rename the model.",
        )
    raise record.problem(
        f"the winner is {winner!r}; expected model_a, model_b or tie.",
        hint=f"Also left and right, a and b, or the name of either model, here {pair[0]!r} and {pair[1]!r}.",
    )


def _number(record: Record, name: str) -> float:
    text = _text(record, name)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise record.problem(f"{name} must be a number, was {text!r}.")
    return value


def _weight(record: Record, name: str) -> float:
    value = _number(record, name)
    if value <= 0:
        raise record.problem(f"{name} must be above zero, was {value:g}.")
    return value


def _difference(record: Record, name: str) -> float:
    pair = (f"{name}_a", f"{name}_b")
    if name in record.values:
        return _number(record, name)
    if not all(column in record.values for column in pair):
        stems = {key.removesuffix("_a") for key in record.values if f"{key.removesuffix('_a')}_b" in record.values}
        missing = f"there is no column {name!r}, nor {pair[0]!r} and {pair[1]!r}"
        raise FieldError(f"{record.place}: {missing}.", hint=did_you_mean(name, {*record.values, *stems} - set(pair)))
    a, b = (_number(record, column) for column in pair)
    if min(a, b) < 0:
        raise record.problem(f"{pair[0]} and {pair[1]} must be 0 or more, were {a:g} and {b:g}.")
    return (a - b) / (a + b) if a + b else 0.0
