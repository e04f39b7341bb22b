"""Language models of services over HTTP: closed ones, and any server with an OpenAI-compatible API."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from assay.core.completions import Capabilities, Completion, NotCompleted, TextRequest
from assay.core.errors import ModelError
from assay.models.caches import answers_folder
from assay.models.loading import ModelRequest
from assay.models.remote.budget import Budget, Estimate, cost_in_dollars, estimate, max_usage, total_cost
from assay.models.remote.cache import AnswerCache, CachedAnswer
from assay.models.remote.services import Endpoint, check, find_endpoint, find_key
from assay.models.remote.transport import EventLoopThread, RemoteSettings, RequestOutcome, RetryingClient
from assay.models.remote.wire import (
    EXTRA_CONTROLS,
    TokenUsage,
    body_formats,
    digest,
    open_client,
    request_arguments,
)


class RemoteModel:
    """A `TextModel` of a service over HTTP.

    Each answer to a request is requested, cached, retried and paid for by itself; each pays for the prompt. Threads may
    share a model; a process that unpickles one opens its own connections.

    Args:
        reference: As in `assay.models.remote.services`.
        settings: Retries, timeouts, address and price.
        answers: Folder of cached answers; None to cache nothing.
        budget: Limit of the cost.

    Raises:
        ModelError: The reference names no service, its API key is not set, or there is a budget and no known price.
    """

    def __init__(
        self,
        reference: str,
        settings: RemoteSettings | None = None,
        *,
        answers: Path | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.settings = settings or RemoteSettings()
        self.answers = answers
        self.budget = budget
        self._endpoint = find_endpoint(reference, self.settings.address)
        find_key(self._endpoint)
        self._check_price()
        self._lock = Lock()
        self._session: _Session | None = None

    @property
    def means(self) -> Capabilities:
        """What the service supports; a single model may support less, which only a request shows."""
        return self._endpoint.service.means

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion or one reason for each request, in order; cached answers are not requested again.

        Raises:
            ModelError: The service does not support one of the requests, or its API key is not set; raised before
                anything is sent.
            StoreError: The folder of answers cannot be used.
        """
        for request in requests:
            check(self._endpoint, request)
        price = self.settings.price
        max_dollars = [
            cost_in_dollars(self._endpoint, price, max_usage(self._endpoint, request)) for request in requests
        ]
        if not requests:
            return []
        session = self._current_session()
        return session.loop.run(session.complete(requests, max_dollars))

    def log_probs(self, texts: Sequence[str]) -> NoReturn:
        """Not supported: no service computes the log-probability of a given text.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            f"Model {self._endpoint.reference!r} is a service, which does not compute the probability of a text.",
            hint="A model from the hub or a folder does.",
        )

    def estimate(self, requests: Sequence[TextRequest]) -> Estimate:
        """Approximate what `complete` would request, and its cost; sends nothing.

        Raises:
            ModelError: As `complete`.
            StoreError: The folder of answers cannot be used.
        """
        return estimate(self._endpoint, self.settings.price, self.answers, requests)

    def close(self) -> None:
        """Close connections and files; a later request opens them again."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.loop.close()

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RemoteModel({self._endpoint.reference!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_session": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def _check_price(self) -> None:
        limited = self.budget is not None and self.budget.dollars is not None
        if limited and cost_in_dollars(self._endpoint, self.settings.price, TokenUsage(1, 1)) is None:
            raise ModelError(
                f"The price of {self._endpoint.reference!r} is unknown, so a budget cannot be kept.",
                hint="Give a Price, Price(0, 0) for a server of your own, or no budget.",
            )

    def _current_session(self) -> _Session:
        with self._lock:
            if self._session is None or self._session.loop.process != os.getpid():
                self._session = _open_session(self._endpoint, self.settings, self.answers, self.budget)
                # Closes a model that is not closed explicitly, with its last reference or at the end of the process.
                weakref.finalize(self, self._session.loop.close)
            return self._session


@lru_cache(maxsize=4)
def open_remote(
    reference: str, settings: RemoteSettings | None = None, answers: Path | None = None, budget: Budget | None = None
) -> RemoteModel:
    """Open a `RemoteModel` once in a process, so that its connections and its concurrency limit persist.

    Raises:
        ModelError: The reference names no service, or its API key is not set.
    """
    return RemoteModel(reference, settings, answers=answers, budget=budget)


def open_remote_backend(request: ModelRequest) -> RemoteModel:
    """Open a remote model that caches its answers for all runs of this user.

    Raises:
        ModelError: As `open_remote`.
    """
    return open_remote(request.reference, answers=answers_folder(), budget=request.budget)


@dataclass(eq=False)
class _Session:
    """Client and cache of an open model, and its requests in flight; belongs to the event loop."""

    endpoint: Endpoint
    loop: EventLoopThread
    client: RetryingClient
    cache: AnswerCache | None

    def __post_init__(self) -> None:
        self._in_flight: dict[str, asyncio.Future[RequestOutcome | None]] = {}
        self._body_format = 0

    async def complete(
        self, requests: Sequence[TextRequest], max_dollars: Sequence[float | None]
    ) -> Sequence[Completion | NotCompleted]:
        outcomes: list[list[RequestOutcome]] = [[RequestOutcome()] * request.decoding.answers for request in requests]
        queue = ((nth, number) for nth, request in enumerate(requests) for number in range(request.decoding.answers))

        async def work() -> None:
            for nth, number in queue:
                outcomes[nth][number] = await self._answer(requests[nth], number, max_dollars[nth])

        total = sum(request.decoding.answers for request in requests)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(total, self.client.limiter.most)):
                    group.create_task(work())
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
        return [_combine(parts) for parts in outcomes]

    async def _answer(self, request: TextRequest, number: int, max_dollars: float | None) -> RequestOutcome:
        """From the cache, from the same request in flight, or from the service."""
        if self.cache is None:
            return await self._request(request, number, max_dollars)
        key = digest(self.endpoint, request, number)
        while (other := self._in_flight.get(key)) is not None:
            # The same answer was requested a moment ago, in this batch or by another thread.
            same = await asyncio.shield(other)
            if same is not None:
                return replace(same, cached=True) if same.answer else replace(same, dollars=0.0)
        if (cached := self.cache.get(key)) is not None:
            return RequestOutcome(cached.answer, None, 0, cached.prompt_tokens, cached.dollars, cached=True)
        return await self._request_and_cache(key, request, number, max_dollars)

    async def _request(self, request: TextRequest, number: int, max_dollars: float | None) -> RequestOutcome:
        """In the body format that the server accepted before, else in the first one that it accepts."""
        last = body_formats(self.endpoint, request) - 1
        body_format = min(self._body_format, last)
        arguments = request_arguments(self.endpoint, request, number, body_format)
        outcome = await self.client.request(arguments, max_dollars)
        while (failure := outcome.failure) is not None and failure.unknown_field:
            if body_format == last:
                controls = ", ".join(sorted(request.decoding.controls & EXTRA_CONTROLS))
                reason = f"The server does not support {controls}: {failure.reason}" if controls else failure.reason
                return replace(outcome, failure=replace(failure, lack="cannot", reason=reason))
            body_format += 1
            arguments = request_arguments(self.endpoint, request, number, body_format)
            outcome = await self.client.request(arguments, max_dollars)
        self._body_format = max(body_format, self._body_format)
        return outcome

    async def _request_and_cache(
        self, key: str, request: TextRequest, number: int, max_dollars: float | None
    ) -> RequestOutcome:
        assert self.cache is not None
        future: asyncio.Future[RequestOutcome | None] = asyncio.get_running_loop().create_future()
        self._in_flight[key] = future
        outcome = None
        try:
            outcome = await self._request(request, number, max_dollars)
            if outcome.answer is not None:
                self.cache.put(key, CachedAnswer(outcome.answer, outcome.prompt_tokens, outcome.dollars))
        finally:
            del self._in_flight[key]
            future.set_result(outcome)
        return outcome


def _open_session(
    endpoint: Endpoint, settings: RemoteSettings, answers: Path | None, budget: Budget | None
) -> _Session:
    key = find_key(endpoint)
    loop = EventLoopThread()

    async def start() -> _Session:
        cache = AnswerCache(answers) if answers is not None else None
        if cache is not None:
            loop.on_close(_closer(cache))
        client, closer = open_client(endpoint, key)
        loop.on_close(closer)

        async def send(**arguments: Any) -> Any:
            # Above the timeout of an attempt, which ends it first; the libraries' default is 600 seconds.
            return await client.acompletion(timeout=settings.try_s + 5.0, **arguments)

        return _Session(endpoint, loop, RetryingClient(send, endpoint, key, settings, budget), cache)

    try:
        return loop.run(start())
    except BaseException:
        loop.close()
        raise


def _closer(cache: AnswerCache) -> Any:
    async def close() -> None:
        cache.close()

    return close


def _combine(parts: Sequence[RequestOutcome]) -> Completion | NotCompleted:
    """Outcome of a request from those of its answers; it fails where one failed, and reports what was paid."""
    new = [part.dollars for part in parts if not part.cached]
    failed = next((part for part in parts if part.answer is None), None)
    if failed is not None:
        assert failed.failure is not None
        return NotCompleted(failed.failure.lack, failed.failure.reason, failed.tries, total_cost(new))
    cached = not new
    return Completion(
        tuple(part.answer for part in parts if part.answer is not None),
        parts[0].prompt_tokens,
        total_cost([part.dollars for part in parts] if cached else new),
        cached,
    )
