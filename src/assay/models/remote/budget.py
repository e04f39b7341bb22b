"""Cost of requests: prices, estimates before a run, and a budget that is not exceeded."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

from assay.core.completions import TextRequest
from assay.models.remote.cache import AnswerCache, database_error, open_database
from assay.models.remote.services import Endpoint, check
from assay.models.remote.wire import TokenUsage, conversation, digest

MESSAGE_TOKENS = 16
"""Upper bound of what a chat template adds to a message."""
BYTES_PER_TOKEN = 4
"""UTF-8 bytes in a token of English text, approximately; other scripts have fewer."""
IMAGE_TOKENS = 1000
ESTIMATE_NOTE = (
    f"Approximate: a token counts as {BYTES_PER_TOKEN} bytes of text, an image as {IMAGE_TOKENS:,} tokens, and every "
    "answer as max_tokens tokens."
)
_PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
"""Name of a service to its name in genai-prices."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS money (process INTEGER PRIMARY KEY, spent REAL NOT NULL DEFAULT 0, "
    "lost REAL NOT NULL DEFAULT 0, reserved REAL NOT NULL DEFAULT 0, open INTEGER NOT NULL DEFAULT 0, "
    "tokens INTEGER NOT NULL DEFAULT 0, unpriced INTEGER NOT NULL DEFAULT 0)"
)
_WRITE_OFF = "UPDATE money SET lost = lost + reserved, reserved = 0, open = 0 WHERE process = ?"


@dataclass(frozen=True)
class Price:
    """A price given by the user, for servers that are in no price table; (0, 0) where requests are free."""

    prompt: float
    """Dollars for a million tokens."""
    answer: float


@lru_cache(maxsize=4096)
def cost_in_dollars(endpoint: Endpoint, price: Price | None, usage: TokenUsage) -> float | None:
    """Cost of `usage`; None where the model is not in the tables of genai-prices.

    `price`, where given, is used instead of the tables; it does not distinguish new from cached tokens.
    """
    if price is not None:
        return (usage.prompt * price.prompt + usage.answer * price.answer) / 1e6
    from genai_prices import Usage, calc_price

    tokens = Usage(
        input_tokens=usage.prompt,
        output_tokens=usage.answer,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
    )
    try:
        if endpoint.service.name in _PROVIDERS:
            cost = calc_price(tokens, endpoint.model, provider_id=_PROVIDERS[endpoint.service.name])
        else:
            cost = calc_price(tokens, endpoint.model, provider_api_url=endpoint.address)
    # LookupError for an unknown model, ValueError for counts that contradict each other.
    except (LookupError, ValueError):
        return None
    return float(cost.total_price)


def total_cost(costs: Sequence[float | None]) -> float | None:
    """Sum of costs; None where one is unknown."""
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def max_usage(endpoint: Endpoint, request: TextRequest) -> TokenUsage:
    """Upper bound of the tokens of one answer: one token for each byte of text, and the largest size for each image."""
    messages = conversation(request)
    prompt = sum(_text_bytes(message.text) + MESSAGE_TOKENS for message in messages) + MESSAGE_TOKENS
    images = sum(len(message.images) for message in messages)
    return TokenUsage(prompt + endpoint.service.image_tokens * images, request.decoding.max_tokens)


@dataclass(frozen=True)
class Estimate:
    """Expected requests of a run, and their cost."""

    askings: int
    """Answers to request."""
    kept: int
    """Answers that are in the cache and cost nothing."""
    prompt_tokens: int
    answer_tokens: int
    """Upper bound."""
    dollars: float | None
    """None where the price is unknown."""
    note: str = ESTIMATE_NOTE

    def __add__(self, other: Estimate) -> Estimate:
        """Sum of both; keeps the note of the first."""
        unknown = self.dollars is None or other.dollars is None
        return Estimate(
            self.askings + other.askings,
            self.kept + other.kept,
            self.prompt_tokens + other.prompt_tokens,
            self.answer_tokens + other.answer_tokens,
            None if unknown else (self.dollars or 0.0) + (other.dollars or 0.0),
            self.note,
        )


def estimate(
    endpoint: Endpoint, price: Price | None, answers: Path | None, requests: Sequence[TextRequest]
) -> Estimate:
    """Estimate the cost of requests; sends nothing and needs no API key.

    Args:
        endpoint: The model to request them from.
        price: As in `cost_in_dollars`.
        answers: Folder of cached answers, which cost nothing.
        requests: What is to be completed.

    Raises:
        ModelError: The service does not support one of the requests.
        StoreError: The folder of answers cannot be used.
    """
    for request in requests:
        check(endpoint, request)
    remaining = [request for request, _ in single_answers(requests)]
    cached = 0
    if answers is not None and answers.is_dir():
        by_digest = {digest(endpoint, request, number): request for request, number in single_answers(requests)}
        cache = AnswerCache(answers)
        try:
            remaining = [request for key, request in by_digest.items() if cache.get(key) is None]
        finally:
            cache.close()
        cached = len(by_digest) - len(remaining)
    usages = [expected_usage(request) for request in remaining]
    costs = [cost_in_dollars(endpoint, price, usage) for usage in usages]
    prompt, answer = sum(usage.prompt for usage in usages), sum(usage.answer for usage in usages)
    return Estimate(len(usages), cached, prompt, answer, total_cost(costs))


def expected_usage(request: TextRequest) -> TokenUsage:
    """Approximate tokens of one answer, by the rule of `ESTIMATE_NOTE`."""
    messages = conversation(request)
    prompt = sum(-(-_text_bytes(message.text) // BYTES_PER_TOKEN) + 4 for message in messages)
    images = sum(len(message.images) for message in messages)
    return TokenUsage(prompt + IMAGE_TOKENS * images, request.decoding.max_tokens)


def placeholder_text(tokens: int, nth: int = 0) -> str:
    """Text of `tokens` tokens by the rule of `ESTIMATE_NOTE`, for a text that is not generated yet.

    `nth` makes texts distinct.
    """
    size = BYTES_PER_TOKEN * tokens
    return f"{nth:x}".ljust(size, "x")[:size]


def single_answers(requests: Sequence[TextRequest]) -> Iterator[tuple[TextRequest, int]]:
    """(request, number) of each answer of each request: every answer is requested by itself."""
    return ((request, number) for request in requests for number in range(request.decoding.answers))


def _text_bytes(text: str) -> int:
    """UTF-8 bytes, lone surrogates included."""
    return len(text.encode(errors="surrogatepass"))


@dataclass(frozen=True)
class Account:
    """Totals of the requests so far."""

    dollars: float = 0.0
    """Paid, or lost in a failed attempt that may have been charged."""
    tokens: int = 0
    """Of prompts and answers, where the service reports them."""
    unpriced: int = 0
    """Attempts whose cost is unknown."""

    @property
    def known(self) -> float | None:
        """Dollars; None where the cost of an attempt is unknown."""
        return None if self.unpriced else self.dollars

    def since(self, before: Account) -> Account:
        """The difference to an earlier account."""
        return Account(self.dollars - before.dollars, self.tokens - before.tokens, self.unpriced - before.unpriced)


class Budget:
    """Spending limit that models, threads and, with a ledger, processes share.

    The maximum cost of an attempt is reserved before it and settled after it. So `spent` plus `lost` stays within
    `dollars`, provided that a service charges no more than its prices and the request's max_tokens allow.

    Args:
        dollars: 0 or more; None records the cost without limiting it.
        ledger: File of the totals, shared by workers and by resumed runs: earlier spending counts. Reservations of a
            process that died count as lost. A budget without a ledger cannot be pickled.

    Raises:
        ValueError: `dollars` is negative or not finite.
    """

    def __init__(self, dollars: float | None, ledger: Path | None = None) -> None:
        if dollars is not None and not 0 <= dollars < math.inf:
            raise ValueError(f"A budget must be 0 or more dollars, was {dollars}.")
        self.dollars = dollars
        self.ledger = ledger
        self._memory_ledger = _Ledger(None) if ledger is None else None

    @property
    def spent(self) -> float:
        """Dollars paid for answers."""
        return self._ledger().totals().spent

    @property
    def lost(self) -> float:
        """Maximum cost in dollars of failed attempts that may have been charged, as after a lost connection."""
        return self._ledger().totals().lost

    @property
    def account(self) -> Account:
        """Totals so far; does not create the ledger file.

        Raises:
            StoreError: The ledger cannot be read.
        """
        if self.ledger is not None and not self.ledger.exists():
            return Account()
        totals = self._ledger().totals()
        return Account(totals.spent + totals.lost, totals.tokens, totals.unpriced)

    def reserve(self, dollars: float) -> Literal["yes", "wait", "no"]:
        """Reserve money; "wait" where settling the reservations of others may leave enough.

        Raises:
            StoreError: The ledger cannot be written.
        """
        ledger = self._ledger()
        # Tolerance for the rounding errors of a sum of floats.
        limit = math.inf if self.dollars is None else self.dollars * (1 + 1e-9)
        with ledger.transaction():
            ledger.write_off_dead_processes()
            totals = ledger.totals()
            if totals.spent + totals.lost + totals.reserved + dollars <= limit:
                ledger.add(reserved=dollars, open=1)
                return "yes"
            return "wait" if totals.open and totals.spent + totals.lost + dollars <= limit else "no"

    def settle(self, reserved: float, paid: float | None, *, lost: bool = False, tokens: int = 0) -> None:
        """Release a reservation and record what was paid; None if that is unknown.

        Raises:
            StoreError: The ledger cannot be written.
        """
        ledger = self._ledger()
        changes: dict[str, float] = {"reserved": -reserved, "open": -1, "tokens": tokens}
        if paid is None:
            changes["unpriced"] = 1
        else:
            changes["lost" if lost else "spent"] = paid
        with ledger.transaction():
            ledger.add(**changes)

    def __repr__(self) -> str:
        limit = "no limit" if self.dollars is None else f"{self.dollars:g}"
        return f"Budget({limit}): {self.spent:g} spent, {self.lost:g} lost"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Budget) or self.ledger is None:
            return self is other
        return (self.dollars, self.ledger) == (other.dollars, other.ledger)

    def __hash__(self) -> int:
        return object.__hash__(self) if self.ledger is None else hash((self.dollars, self.ledger))

    def __getstate__(self) -> dict[str, Any]:
        if self.ledger is None:
            raise TypeError("A Budget without a ledger belongs to one process: give it a ledger file to share it.")
        return self.__dict__

    def _ledger(self) -> _Ledger:
        return self._memory_ledger or _shared_ledger(str(self.ledger), os.getpid())


class _Totals(NamedTuple):
    spent: float
    lost: float
    reserved: float
    open: int
    tokens: int
    unpriced: int


class _Ledger:
    """Table with one row of totals for each process."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or Path(":memory:")
        self.process = os.getpid()
        self._lock = Lock()
        if path is None:
            self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._db.execute(_TABLE)
        else:
            self._db = open_database(path, _TABLE)
        with self.transaction():
            # An earlier process with the same id is dead.
            self._db.execute(_WRITE_OFF, (self.process,))
            self._db.execute("INSERT OR IGNORE INTO money (process) VALUES (?)", (self.process,))

    @contextmanager
    def transaction(self) -> Iterator[None]:
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
                raise database_error(self.path, error) from error

    def totals(self) -> _Totals:
        row = self._db.execute(
            "SELECT total(spent), total(lost), total(reserved), sum(open), sum(tokens), sum(unpriced) FROM money"
        ).fetchone()
        totals = _Totals(*row)
        return totals if totals.open else totals._replace(reserved=0.0)

    def add(self, **changes: float) -> None:
        # Never below 0: another machine may have written off our reservation, if it took this process for dead.
        sets = ", ".join(f"{name} = max(0, {name} + ?)" for name in changes)
        self._db.execute(f"UPDATE money SET {sets} WHERE process = ?", (*changes.values(), self.process))

    def write_off_dead_processes(self) -> None:
        others = self._db.execute("SELECT process FROM money WHERE open > 0 AND process != ?", (self.process,))
        for (process,) in others.fetchall():
            if not _is_alive(process):
                self._db.execute(_WRITE_OFF, (process,))


# A worker unpickles its budget for every piece of work; it must use one connection, and one row, for its process.
@lru_cache(maxsize=16)
def _shared_ledger(path: str, process: int) -> _Ledger:
    return _Ledger(Path(path))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        pass
    return True
