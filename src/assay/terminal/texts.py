"""Texts of a file that a user names: one on each line, a column of a table, or the file as one."""

from __future__ import annotations

from pathlib import Path

from assay.core.errors import UserError


def texts_of(file: Path, *, whole: bool, column: str | None) -> list[str]:
    """Texts in order, none of them blank.

    Raises:
        UserError: There is none, or the file is a table and no column is named.
    """
    from assay.components.sources.files.records import READERS, read_text

    reader = READERS.get(file.suffix.lower())
    if column is not None and (whole or reader is None):
        raise UserError(f"--column names a column of a {', '.join(READERS)} file, and goes without --whole.")
    if reader is not None and not whole and column is None:
        raise UserError(
            f"{file.name} is a table: --column says which column holds the texts.",
            hint="Or --whole for the file as one text, commas, names and all.",
        )
    if reader is not None and column is not None:
        records = reader(file, (column,), "a table of texts")
        texts = [record.text(column) for record in records if record.values[column] not in (None, "")]
    else:
        text = read_text(file, "a text")
        texts = [text] if whole else text.split("\n")
    if not any(text.strip() for text in texts):
        raise UserError(f"{file} holds no text.", hint="One text on each line, or --whole for all of it as one.")
    return texts if whole else [text for text in texts if text.strip()]
