"""What was said before a task, as a cell of a file has it."""

from __future__ import annotations

from assay.components.sources.files.records import Record
from assay.text.instructions.dialogues import write_history
from assay.text.instructions.preference_dialogues import history_of


def history_in(record: Record, column: str = "history") -> str:
    """The field `history` of a dialogue: from a list of messages, its JSON text, or pairs of texts; "" where none is.

    Raises:
        SourceError: It is none of these, user and assistant do not take turns, or one says nothing.
    """
    try:
        turns = history_of(record.values.get(column))
    except ValueError as error:
        raise record.problem(f"{column} {error}.") from error
    for one in turns:
        record.whole(one.text, column)
    return write_history(turns)
