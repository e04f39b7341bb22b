"""Requests with retries: bounded concurrency, budget and deadlines, on a background event loop."""

from __future__ import annotations

import asyncio
import heapq
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from threading import Thread, current_thread
from typing import Any, TypeVar

from assay.core.completions import Answer, FailureKind
from assay.models.remote.budget import Budget, Price, cost_in_dollars
from assay.models.remote.errors import AttemptFailure, classify_error, one_line, redact_key
from assay.models.remote.services import Endpoint
from assay.models.remote.wire import read_answer, read_usage

T = TypeVar("T")
POLL_S = 0.05
"""How often to check a budget while the reservations of others may be released."""
CLOSING_S = 2.0
"""A connection that does not close in this time is left to the operating system."""
NOTHING_SENT = "no request was sent"


@dataclass(frozen=True)
class RemoteSettings:
    """How requests are sent. Only `address` affects the answers."""

    concurrency: int = 16
    """Most attempts at the same time in a process; fewer while the service reports overload."""
    tries: int = 8
    """Most attempts for one answer."""
    try_s: float = 120.0
    """Timeout of one attempt, from its sending to the last byte."""
    deadline_s: float = 300.0
    """Timeout of all attempts for one answer and the waits between them, from the first sending."""
    wait_s: float = 60.0
    """A service that asks for a longer wait than this is not tried again."""
    first_wait_s: float = 0.5
    """The wait after attempt n is uniform between 0 and this times 2 ** (n - 1), at most `wait_s` (full jitter)."""
    address: str | None = None
    """Base URL of a named service, as its library takes it: with /v1 for openai, without for the others. None for the
    service's own, or the one in its library's environment variable."""
    price: Price | None = None
    """Used instead of the price tables."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "tries", "try_s", "deadline_s", "wait_s", "first_wait_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"RemoteSettings.{name} must be above 0 and finite, was {getattr(self, name)}.")


class ConcurrencyLimiter:
    """Limit concurrent attempts by additive increase and multiplicative decrease (Chiu and Jain 1989).

    `limit` halves when the service reports overload, and grows by one for every `limit` successes, up to `most`.
    Attempts that were all in flight together count as one report of overload, like losses within one round trip in TCP.
    Belongs to one event loop; only its thread may use it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.running = 0
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._order = count()
        self._closed_until = 0.0
        self._decreased_at = -1.0

    async def acquire(self, *, retry: bool) -> float:
        """Wait for a slot; retries come before first attempts. Returns the loop's time when it got one."""
        loop = asyncio.get_running_loop()
        slot = loop.create_future()
        heapq.heappush(self._waiting, (not retry, next(self._order), slot))
        self._admit()
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release()
            raise
        return loop.time()

    def release(self) -> None:
        """Give the slot back."""
        self.running -= 1
        self._admit()

    def record_success(self) -> None:
        """Increase the limit a little."""
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)
        self._admit()

    def record_overload(self, started: float, wait: float) -> None:
        """Decrease the limit, and admit no attempt for `wait` seconds.

        Args:
            started: When the attempt that was refused got its slot.
            wait: Seconds; 0 for none.
        """
        loop = asyncio.get_running_loop()
        if started > self._decreased_at:
            self.limit = max(1.0, self.limit / 2)
            self._decreased_at = loop.time()
        if wait > 0 and loop.time() + wait > self._closed_until:
            self._closed_until = loop.time() + wait
            # A timer may fire a clock tick early, when the limiter is still closed.
            loop.call_at(self._closed_until + 0.002, self._admit)

    def _admit(self) -> None:
        if asyncio.get_running_loop().time() < self._closed_until:
            return
        while self._waiting and self.running < int(self.limit):
            _, _, slot = heapq.heappop(self._waiting)
            if not slot.done():
                slot.set_result(None)
                self.running += 1


@dataclass(frozen=True)
class RequestOutcome:
    """Result of all attempts for one answer: the answer or the failure."""

    answer: Answer | None = None
    failure: AttemptFailure | None = None
    tries: int = 1
    prompt_tokens: int | None = None
    dollars: float | None = 0.0
    """None where the price is unknown, or where an attempt was lost that may have been charged."""
    cached: bool = False


@dataclass
class _Attempts:
    """State of the attempts for one answer."""

    arguments: Mapping[str, Any]
    max_dollars: float | None
    """Maximum cost of an attempt; None where the price is unknown."""
    tries: int = 0
    lost: bool = False
    started: float = 0.0
    failure: AttemptFailure = field(default_factory=lambda: AttemptFailure("timeout", NOTHING_SENT))
    outcome: RequestOutcome | None = None


class RetryingClient:
    """Send a request, wait, and send it again until there is an answer or a reason. Belongs to one event loop."""

    def __init__(
        self,
        send: Callable[..., Awaitable[Any]],
        endpoint: Endpoint,
        key: str | None,
        settings: RemoteSettings,
        budget: Budget | None,
    ) -> None:
        self._send = send
        self._endpoint = endpoint
        self._key = key
        self._settings = settings
        self._budget = budget
        self.limiter = ConcurrencyLimiter(settings.concurrency)
        self._random = random.Random()

    async def request(self, arguments: Mapping[str, Any], max_dollars: float | None) -> RequestOutcome:
        """One answer or one reason, within the deadline from the first sending."""
        attempts = _Attempts(arguments, max_dollars)
        if not await self._start_attempt(attempts):
            return self._failed_outcome(attempts)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                while (wait := await self._attempt(attempts)) is not None:
                    await asyncio.sleep(wait)
                    if not await self._start_attempt(attempts):
                        break
        except TimeoutError:
            attempts.failure = self._deadline_failure(attempts)
        return attempts.outcome or self._failed_outcome(attempts)

    async def _start_attempt(self, attempts: _Attempts) -> bool:
        """Take a slot and reserve the money; False where the budget is too small."""
        attempts.started = await self.limiter.acquire(retry=attempts.tries > 0)
        if self._budget is None:
            return True
        reserved = "no"
        try:
            while (reserved := self._budget.reserve(attempts.max_dollars or 0.0)) == "wait":
                await asyncio.sleep(POLL_S)
        finally:
            if reserved != "yes":
                self.limiter.release()
        attempts.started = asyncio.get_running_loop().time()
        if reserved == "no":
            attempts.failure = AttemptFailure("budget", self._budget_reason(self._budget, attempts))
        return reserved == "yes"

    def _budget_reason(self, budget: Budget, attempts: _Attempts) -> str:
        """States both sums: most requests cost less than their maximum, so some of a budget always remains."""
        paid, last = budget.account.dollars, f" The last attempt: {attempts.failure.reason}" if attempts.tries else ""
        state = "is spent" if paid else "is too small"
        sums = f"{paid:.2g} so far, and the next request may cost {attempts.max_dollars or 0.0:.2g}"
        return f"The budget of {budget.dollars or 0:g} dollars {state}. It was {sums}.{last}"

    async def _attempt(self, attempts: _Attempts) -> float | None:
        """Send once; returns the seconds to wait before the next attempt, or None if there is none."""
        attempts.tries += 1
        paid: float | None = None
        lost = True
        try:
            async with asyncio.timeout(self._settings.try_s):
                response = await self._send(**attempts.arguments)
            attempts.outcome = self._outcome(attempts, response)
            paid, lost = attempts.outcome.dollars, False
        except TimeoutError:
            reason = f"No complete answer within {self._settings.try_s:g} s."
            attempts.failure = AttemptFailure("timeout", reason, retry=True, lost=True)
        # Libraries raise any exception for a malformed response: TypeError, AttributeError, ...
        except Exception as error:
            attempts.failure = classify_error(error)
            lost = attempts.failure.lost
        finally:
            # Runs for an attempt that the deadline ends too, which may be charged.
            self._settle(attempts, paid, lost)
            self.limiter.release()
        if attempts.outcome is not None:
            self.limiter.record_success()
            return None
        return self._next_wait(attempts)

    def _outcome(self, attempts: _Attempts, response: Any) -> RequestOutcome:
        answer = read_answer(self._endpoint, response, attempts.arguments.get("stop", ()))
        usage = read_usage(response)
        cost = None if usage is None else cost_in_dollars(self._endpoint, self._settings.price, usage)
        text = redact_key(answer.text, self._key)
        return RequestOutcome(
            Answer(text, answer.end, answer.tokens),
            tries=attempts.tries,
            prompt_tokens=None if usage is None else usage.prompt,
            dollars=cost,
        )

    def _settle(self, attempts: _Attempts, paid: float | None, lost: bool) -> None:
        attempts.lost = attempts.lost or lost
        if self._budget is None:
            return
        tokens = 0
        if attempts.outcome is not None and attempts.outcome.answer is not None:
            tokens = (attempts.outcome.prompt_tokens or 0) + (attempts.outcome.answer.tokens or 0)
            # An answer of unknown cost counts as the maximum.
            paid = attempts.max_dollars if paid is None else paid
        else:
            paid = attempts.max_dollars if lost else 0.0
        self._budget.settle(attempts.max_dollars or 0.0, paid, lost=lost, tokens=tokens)

    def _next_wait(self, attempts: _Attempts) -> float | None:
        last, settings = attempts.failure, self._settings
        if last.filtered:
            attempts.outcome = RequestOutcome(Answer("", "filter"), tries=attempts.tries)
            return None
        requested_wait = last.wait or 0.0
        if last.overload:
            # A longer wait, such as for a daily quota, is not waited for: other requests are to fail soon too.
            self.limiter.record_overload(attempts.started, requested_wait if requested_wait <= settings.wait_s else 0.0)
        if not last.retry or attempts.tries >= settings.tries or requested_wait > settings.wait_s:
            return None
        jitter = self._random.uniform(0.0, min(settings.wait_s, settings.first_wait_s * 2 ** (attempts.tries - 1)))
        return requested_wait + jitter

    def _deadline_failure(self, attempts: _Attempts) -> AttemptFailure:
        """Failure by the rate limit if that was the last response, else by timeout."""
        lack: FailureKind = "rate" if attempts.failure.lack == "rate" else "timeout"
        sent = attempts.failure.reason != NOTHING_SENT
        last = f" The last attempt: {attempts.failure.reason}" if sent else ""
        return AttemptFailure(lack, f"No answer within {self._settings.deadline_s:g} s.{last}")

    def _failed_outcome(self, attempts: _Attempts) -> RequestOutcome:
        last = attempts.failure
        reason = one_line(last.reason, self._key) or "no reason was given"
        cost = None if attempts.lost and self._settings.price != Price(0, 0) else 0.0
        return RequestOutcome(None, replace(last, reason=reason), attempts.tries, dollars=cost)


class EventLoopThread:
    """Background asyncio event loop that runs async clients from synchronous code."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._thread = Thread(target=self._loop.run_forever, name="assay-event-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result, from any thread, with or without a loop. Interrupting the caller cancels the work."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Have `closer` awaited on the loop by `close`."""
        self._closers.append(closer)

    def close(self) -> None:
        """Cancel the running work, close what was opened, and end the thread. Idempotent."""
        # After a fork the thread does not exist, and what it opened belongs to the parent.
        if self._loop.is_closed() or self.process != os.getpid():
            return
        # The garbage collector may finalize a model on any thread, this one included.
        if current_thread() is self._thread:
            self._loop.stop()
            return
        # Bounded: a library that does not close its connection must not keep a program from ending.
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(3 * CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _shut_down(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_S)
        for closer in self._closers:
            # A client that cannot be closed must not keep the others open.
            with suppress(Exception):
                await asyncio.wait_for(closer(), CLOSING_S)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
