"""What asking cost, and an upper bound on it."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

from assay.models.remote.database import open_database, unusable

_TABLE = (
    "CREATE TABLE IF NOT EXISTS money (process INTEGER PRIMARY KEY, spent REAL NOT NULL DEFAULT 0, "
    "lost REAL NOT NULL DEFAULT 0, reserved REAL NOT NULL DEFAULT 0, open INTEGER NOT NULL DEFAULT 0, "
    "tokens INTEGER NOT NULL DEFAULT 0, unpriced INTEGER NOT NULL DEFAULT 0)"
)
_BURY = "UPDATE money SET lost = lost + reserved, reserved = 0, open = 0 WHERE process = ?"


@dataclass(frozen=True)
class Account:
    """What was asked for so far."""

    dollars: float = 0.0
    """Paid, or lost with a try that may have been charged."""
    tokens: int = 0
    """Of prompts and answers, where the service told."""
    unpriced: int = 0
    """Tries that cost nobody knows how much."""

    @property
    def known(self) -> float | None:
        """Dollars; None where the price of a try is not known."""
        return None if self.unpriced else self.dollars

    def since(self, before: Account) -> Account:
        """What came after `before`."""
        return Account(self.dollars - before.dollars, self.tokens - before.tokens, self.unpriced - before.unpriced)


class Budget:
    """Money that models, threads and, with a ledger, processes share.

    What a try can cost at most is reserved before it, and settled after. So `spent` and `lost` together stay within
    `dollars`, as long as a service charges no more than its prices and the request's own max_tokens allow.

    Args:
        dollars: 0 or more; None for no bound, only a record.
        ledger: File that keeps the sums, for workers and for runs that go on another day: what was spent before counts.
            What a process that died had reserved counts as lost. Without one, a budget cannot be pickled.

    Raises:
        ValueError: `dollars` is no amount.
    """

    def __init__(self, dollars: float | None, ledger: Path | None = None) -> None:
        if dollars is not None and not 0 <= dollars < math.inf:
            raise ValueError(f"A budget must be 0 or more dollars, was {dollars}.")
        self.dollars = dollars
        self.ledger = ledger
        self._own = _Book(None) if ledger is None else None

    @property
    def spent(self) -> float:
        """Dollars that answers cost."""
        return self._book().sums().spent

    @property
    def lost(self) -> float:
        """Dollars that tries without an answer cost at most: a lost connection does not say whether it is charged."""
        return self._book().sums().lost

    @property
    def account(self) -> Account:
        """Everything so far; a ledger that nobody has written yet is not made for it.

        Raises:
            StoreError: The ledger cannot be read.
        """
        if self.ledger is not None and not self.ledger.exists():
            return Account()
        sums = self._book().sums()
        return Account(sums.spent + sums.lost, sums.tokens, sums.unpriced)

    def reserve(self, dollars: float) -> Literal["yes", "wait", "no"]:
        """Sets money aside; "wait" where what others have set aside may come back and be enough.

        Raises:
            StoreError: The ledger cannot be written.
        """
        book = self._book()
        # Sums of floats may miss their own total by a few last bits.
        limit = math.inf if self.dollars is None else self.dollars * (1 + 1e-9)
        with book.writing():
            book.bury_the_dead()
            sums = book.sums()
            if sums.spent + sums.lost + sums.reserved + dollars <= limit:
                book.add(reserved=dollars, open=1)
                return "yes"
            return "wait" if sums.open and sums.spent + sums.lost + dollars <= limit else "no"

    def settle(self, reserved: float, paid: float | None, *, lost: bool = False, tokens: int = 0) -> None:
        """Gives back what was set aside, less what was paid; None where nobody knows how much that was.

        Raises:
            StoreError: The ledger cannot be written.
        """
        book = self._book()
        changes: dict[str, float] = {"reserved": -reserved, "open": -1, "tokens": tokens}
        if paid is None:
            changes["unpriced"] = 1
        else:
            changes["lost" if lost else "spent"] = paid
        with book.writing():
            book.add(**changes)

    def __repr__(self) -> str:
        bound = "no bound" if self.dollars is None else f"{self.dollars:g}"
        return f"Budget({bound}): {self.spent:g} spent, {self.lost:g} lost"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Budget) or self.ledger is None:
            return self is other
        return (self.dollars, self.ledger) == (other.dollars, other.ledger)

    def __hash__(self) -> int:
        return object.__hash__(self) if self.ledger is None else hash((self.dollars, self.ledger))

    def __getstate__(self) -> dict[str, Any]:
        if self.ledger is None:
            raise TypeError("A Budget without a ledger belongs to one process: give it a file to share it.")
        return self.__dict__

    def _book(self) -> _Book:
        return self._own or _shared(str(self.ledger), os.getpid())


class _Sums(NamedTuple):
    spent: float
    lost: float
    reserved: float
    open: int
    tokens: int
    unpriced: int


class _Book:
    """One row of sums for each process."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or Path(":memory:")
        self.process = os.getpid()
        self._lock = Lock()
        if path is None:
            self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._db.execute(_TABLE)
        else:
            self._db = open_database(path, _TABLE)
        with self.writing():
            # Whoever had our number before is dead.
            self._db.execute(_BURY, (self.process,))
            self._db.execute("INSERT OR IGNORE INTO money (process) VALUES (?)", (self.process,))

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise unusable(self.path, error) from error

    def sums(self) -> _Sums:
        row = self._db.execute(
            "SELECT total(spent), total(lost), total(reserved), sum(open), sum(tokens), sum(unpriced) FROM money"
        ).fetchone()
        spent, lost, reserved, open_, tokens, unpriced = row
        return _Sums(spent, lost, reserved if open_ else 0.0, open_, tokens, unpriced)

    def add(self, **changes: float) -> None:
        # Where another machine took us for dead, our reservation counts as lost already: so never below 0.
        sets = ", ".join(f"{name} = max(0, {name} + ?)" for name in changes)
        self._db.execute(f"UPDATE money SET {sets} WHERE process = ?", (*changes.values(), self.process))

    def bury_the_dead(self) -> None:
        others = self._db.execute("SELECT process FROM money WHERE open > 0 AND process != ?", (self.process,))
        for (process,) in others.fetchall():
            if not _alive(process):
                self._db.execute(_BURY, (process,))


# A worker unpickles its budget for every piece of work; the ledger is one, and so is its row for this process.
@lru_cache(maxsize=16)
def _shared(path: str, process: int) -> _Book:
    return _Book(Path(path))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # It lives and is somebody else's.
    except PermissionError:
        return True
    return True
