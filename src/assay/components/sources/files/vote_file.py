"""Votes in a CSV or JSONL file: two models, who won, and if there are such columns a weight and what else differed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from assay.components.sources.files.records import READERS, Record
from assay.core.errors import FieldError, SourceError, did_you_mean
from assay.stats.ratings.votes import LOST, TIED, WON, PairwiseVotes, votes

MODELS = (("model_a", "model_b"), ("left", "right"))
"""Pairs of columns that name the two models; the first pair that is there is taken."""
FIRST = ("model_a", "left", "a")
SECOND = ("model_b", "right", "b")
TIES = ("tie", "draw", "tie (bothbad)", "bothbad", "both_bad")


def read_votes(path: Path, *, weight: str | None = None, controls: Sequence[str] = ()) -> PairwiseVotes:
    """Reads the votes of a file, in its order: .csv with a header, or .jsonl.

    Columns: two of MODELS, and winner: one of FIRST, SECOND or TIES, or the name of either model. `weight` names a
    column of numbers above zero. Each of `controls` names a column of differences (first minus second), or stands for
    two columns NAME_a and NAME_b, of amounts of 0 or more, whose difference is divided by their sum, as Chatbot Arena
    does: 0 where both are 0.

    Example row: model_a,model_b,winner with "gpt-4,claude-v1,model_a".

    Raises:
        SourceError: The file cannot be read, is empty, or a line holds what cannot be, such as a winner that is the
            name of one model and the word for the other; the message names the line.
        FieldError: A column is missing.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"Votes are read from {', '.join(READERS)} files, not from {path.name!r}.")
    records = reader(path, (), "a table of votes")
    if not records:
        raise SourceError(f"{path} holds no votes.", hint="Expected the columns model_a, model_b and winner.")
    a, b = _model_columns(path, records[0].values)
    pairs = [(_text(record, a), _text(record, b)) for record in records]
    for record, (one, other) in zip(records, pairs, strict=True):
        if one == other:
            raise record.problem(f"{one!r} cannot meet itself.")
    outcomes = [outcome_of(record, pair) for record, pair in zip(records, pairs, strict=True)]
    weights = None if weight is None else [_weight(record, weight) for record in records]
    covariates = {name: [_difference(record, name) for record in records] for name in controls}
    try:
        return votes([one for one, _ in pairs], [other for _, other in pairs], outcomes, weights, covariates)
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from error


def _model_columns(path: Path, columns: Iterable[str]) -> tuple[str, str]:
    there = list(columns)
    for a, b in MODELS:
        if a in there and b in there:
            return a, b
    known = " or ".join(f"{a} and {b}" for a, b in MODELS)
    raise FieldError(f"{path} names no two models: expected the columns {known}.", hint=f"It has: {', '.join(there)}.")


def _text(record: Record, name: str) -> str:
    if name not in record.values:
        raise FieldError(f"{record.place}: there is no column {name!r}.", hint=did_you_mean(name, record.values))
    return record.text(name).strip()


def outcome_of(record: Record, pair: tuple[str, str]) -> float:
    """WON, TIED or LOST of the first of a pair of names, as the column `winner` says.

    Raises:
        SourceError: It says none of these, or both one and another.
        FieldError: There is no such column.
    """
    said = _text(record, "winner")
    word = said.casefold()
    named = [WON] * (said == pair[0]) + [LOST] * (said == pair[1])
    meant = [outcome for words, outcome in ((FIRST, WON), (SECOND, LOST), (TIES, TIED)) if word in words]
    found = {*named, *meant}
    if len(found) == 1:
        return found.pop()
    if found:
        raise record.problem(
            f"the winner {said!r} is a model's name and the word for something else, and nothing says which is meant.",
            hint="Give the model another name.",
        )
    raise record.problem(
        f"the winner is {said!r}; expected model_a, model_b or tie.",
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
    both = (f"{name}_a", f"{name}_b")
    if name in record.values:
        return _number(record, name)
    if not all(one in record.values for one in both):
        known = {one.removesuffix("_a") for one in record.values if f"{one.removesuffix('_a')}_b" in record.values}
        missing = f"there is no column {name!r}, nor {both[0]!r} and {both[1]!r}"
        raise FieldError(f"{record.place}: {missing}.", hint=did_you_mean(name, {*record.values, *known} - set(both)))
    a, b = (_number(record, one) for one in both)
    if min(a, b) < 0:
        raise record.problem(f"{both[0]} and {both[1]} must be 0 or more, were {a:g} and {b:g}.")
    return (a - b) / (a + b) if a + b else 0.0
