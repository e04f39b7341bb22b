"""Earlier messages of a dialogue in a cell of a file."""

from __future__ import annotations

from assay.components.sources.files.records import Record
from assay.text.instructions.dialogues import parse_history, write_history


def history_in(record: Record, column: str = "history") -> str:
    """Return the field `history` from a list of messages, its JSON text, or pairs of texts; "" if there is none.

    Raises:
        SourceError: It has another form, user and assistant do not alternate, or a message is empty.
    """
    try:
        turns = parse_history(record.values.get(column))
    except ValueError as error:
        raise record.problem(f"{column} {error}.") from error
    for one in turns:
        record.whole(one.text, column)
    return write_history(turns)
