"""Cache of paid answers in one SQLite file, which several processes may use at once."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from assay.core.completions import Answer, End
from assay.core.errors import StoreError

NAME = "answers.sqlite"
CACHED_ENDS = ("stop", "length", "refusal")
"""Ends of answers that are cached. A provider may answer a filtered or empty one differently the next time."""
BUSY_TIMEOUT_S = 60.0
"""How long to wait for another process's write."""


@dataclass(frozen=True)
class CachedAnswer:
    """One answer and what it cost when it was requested."""

    answer: Answer
    prompt_tokens: int | None
    dollars: float | None


class AnswerCache:
    """Answers by the digest of everything they depend on. Belongs to the thread that opened it.

    Raises:
        StoreError: The folder cannot be written, or the file in it is not a database.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._db = open_database(
            self.path, "CREATE TABLE IF NOT EXISTS answers (digest TEXT PRIMARY KEY, kept TEXT NOT NULL)"
        )

    def get(self, digest: str) -> CachedAnswer | None:
        """The answer with this digest; None if there is none, or its row is malformed.

        Raises:
            StoreError: The file cannot be read.
        """
        try:
            row = self._db.execute("SELECT kept FROM answers WHERE digest = ?", (digest,)).fetchone()
        except sqlite3.Error as error:
            raise database_error(self.path, error) from error
        return _decode(row[0]) if row else None

    def put(self, digest: str, cached: CachedAnswer) -> None:
        """Store an answer, unless its end is not cached or another process stored it first.

        Raises:
            StoreError: The disk is full, or the file cannot be written.
        """
        if cached.answer.end not in CACHED_ENDS:
            return
        answer = cached.answer
        text = json.dumps([answer.text, answer.end, answer.tokens, cached.prompt_tokens, cached.dollars])
        try:
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (digest, text))
        except sqlite3.Error as error:
            raise database_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def open_database(path: Path, *statements: str) -> sqlite3.Connection:
    """Open a SQLite file in write-ahead mode, creating its folder, and run statements that each commit by themselves.

    It survives a killed process. It must be on a local disk: SQLite's locks do not work on network file systems.

    Raises:
        StoreError: The file cannot be written, or is not a database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise database_error(path, error) from error
    try:
        _prepare(database, ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *statements))
    except sqlite3.Error as error:
        database.close()
        raise database_error(path, error) from error
    return database


def database_error(path: Path, error: Exception) -> StoreError:
    """The error to raise for an error of SQLite."""
    return StoreError(
        f"{path} cannot be used: {error}.",
        hint="Free some disk space or give another folder. Answers stored before are not lost.",
    )


def _prepare(database: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            for statement in statements:
                database.execute(statement)
        except sqlite3.OperationalError as error:
            # Changing the journal mode does not wait for other processes that do the same.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _decode(text: str) -> CachedAnswer | None:
    try:
        answer_text, end, tokens, prompt_tokens, dollars = json.loads(text)
    except (ValueError, TypeError):
        return None
    if end not in get_args(End):
        return None
    return CachedAnswer(Answer(answer_text, cast("End", end), tokens), prompt_tokens, dollars)
