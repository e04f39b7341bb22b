"""A small SQLite file that several processes may use at once, and that outlives a kill.

It must lie on a disk of this machine: SQLite's locks do not hold on network file systems.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from assay.core.errors import StoreError

PATIENCE_S = 60.0
"""How long another process's write is waited for."""


def open_database(path: Path, *statements: str) -> sqlite3.Connection:
    """Opens `path` in write-ahead mode and runs `statements`; the folder is made. Each statement commits by itself.

    Raises:
        StoreError: It cannot be written, or is no database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error
    try:
        _prepare(database, ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *statements))
    except sqlite3.Error as error:
        database.close()
        raise unusable(path, error) from error
    return database


def unusable(path: Path, error: Exception) -> StoreError:
    """What a user is told when SQLite complains."""
    return StoreError(
        f"{path} cannot be used: {error}.", hint="Free some space, or give another folder. What was kept before stays."
    )


def _prepare(database: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            for statement in statements:
                database.execute(statement)
        except sqlite3.OperationalError as error:
            # Changing the mode does not wait for other processes that are doing the same.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
