"""Answers that were paid for, kept in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from assay.core.completions import Answer, End
from assay.models.remote.database import open_database, unusable

NAME = "answers.sqlite"
WHOLE = ("stop", "length", "refusal")
"""Ends worth keeping. What a provider withheld or left empty it may give another time."""


@dataclass(frozen=True)
class Kept:
    """One answer, and what it cost when it was asked for."""

    answer: Answer
    prompt_tokens: int | None
    dollars: float | None


class AnswerCache:
    """Answers by the digest of all they depend on. Belongs to the thread that opened it.

    Raises:
        StoreError: The folder cannot be written, or the file in it is no cache.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._db = open_database(
            self.path, "CREATE TABLE IF NOT EXISTS answers (digest TEXT PRIMARY KEY, kept TEXT NOT NULL)"
        )

    def get(self, digest: str) -> Kept | None:
        """None where there is none, or where a row is not what we write.

        Raises:
            StoreError: The file cannot be read.
        """
        try:
            row = self._db.execute("SELECT kept FROM answers WHERE digest = ?", (digest,)).fetchone()
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error
        return _decoded(row[0]) if row else None

    def put(self, digest: str, kept: Kept) -> None:
        """Keeps it, if it is worth keeping and nobody was faster.

        Raises:
            StoreError: The disk is full, or the file cannot be written.
        """
        if kept.answer.end not in WHOLE:
            return
        answer = kept.answer
        text = json.dumps([answer.text, answer.end, answer.tokens, kept.prompt_tokens, kept.dollars])
        try:
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (digest, text))
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error

    def close(self) -> None:
        """Closes the file."""
        self._db.close()


def _decoded(text: str) -> Kept | None:
    try:
        words, end, tokens, prompt_tokens, dollars = json.loads(text)
    except (ValueError, TypeError):
        return None
    if end not in get_args(End):
        return None
    return Kept(Answer(words, cast("End", end), tokens), prompt_tokens, dollars)
