"""Pairs of answers with human votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.components.sources.files.judgments import MODELS, outcome_of
from assay.components.sources.files.records import READERS, Record, check_path, digest_of, shorten
from assay.components.sources.files.task_files import read_history_cell
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.stats.ratings.votes import LOST, TIED, WON

_NEEDED = ("instruction", "output_a", "output_b", "winner")
_WINNERS = {WON: "a", TIED: "tie", LOST: "b"}


@dataclass(frozen=True)
class VotedPairs:
    """The votes of a .jsonl or .csv file, in its order, for the scorer `HumanVotes`.

    Columns: instruction, output_a, output_b, and winner: model_a, left or a; model_b, right or b; tie or draw; or the
    name of a model if the columns model_a and model_b (left and right) name them. `input` is optional. An answer may be
    empty. Fields: instruction, input, output_a, output_b, winner ("a", "b" or "tie"), origin; and history if the file
    has that column: the earlier messages, in CSV as JSON.

    Example row: {"instruction": "Name a fruit.", "output_a": "A pear.", "output_b": "A chair.", "winner": "model_a"}
    """

    path: str

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("VotedPairs", self.path, "a file of votes")

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        """Return the votes.

        Raises:
            SourceError: The file cannot be read, is empty, or has an invalid line; the message names the line.
        """
        file = Path(self.path)
        reader = READERS.get(file.suffix.lower())
        if reader is None:
            raise SourceError(
                f"Votes are read from {', '.join(READERS)} files, not from {file.name!r}.", path=str(file)
            )
        records = reader(file, _NEEDED, "a table of votes")
        if not records:
            hint = f"Expected the columns {', '.join(_NEEDED)}."
            raise SourceError(f"{file} has no votes.", hint=hint, path=str(file), records=0)
        return [_sample(record) for record in records]


def _sample(record: Record) -> Sample:
    names = next((pair for pair in MODELS if all(column in record.values for column in pair)), None)
    models = (record.text(names[0]).strip(), record.text(names[1]).strip()) if names else ("model_a", "model_b")
    fields = {
        "instruction": record.text("instruction"),
        "input": _answer(record, "input"),
        **({"history": read_history_cell(record)} if "history" in record.values else {}),
        "output_a": _answer(record, "output_a"),
        "output_b": _answer(record, "output_b"),
        "winner": _WINNERS[outcome_of(record, models)],
        "origin": record.origin,
    }
    return Sample(fields)


def _answer(record: Record, name: str) -> str:
    """Text that may be empty."""
    value = record.values.get(name)
    if value is None and name == "input":
        return ""
    if not isinstance(value, str):
        raise record.problem(f"{name} must be text, was {shorten(value)}.")
    return record.whole(value, name)
