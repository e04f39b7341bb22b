"""Language models behind an API: closed ones, and any that a server of one's own answers for."""

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

from assay.core.completions import Completion, Means, NotCompleted, TextRequest
from assay.core.errors import ModelError
from assay.models.conversions import answers_folder
from assay.models.loading import ModelRequest
from assay.models.remote.answer_cache import AnswerCache, Kept
from assay.models.remote.asker import Asker, Outcome, RemoteSettings
from assay.models.remote.budget import Budget
from assay.models.remote.clients import open_client
from assay.models.remote.estimates import Estimate, estimate
from assay.models.remote.event_loop import Line
from assay.models.remote.prices import at_most, dollars
from assay.models.remote.services import Place, check, find_key, find_place
from assay.models.remote.wire import BEYOND, Usage, digest, forms, question


class RemoteModel:
    """A `TextModel` that is asked over HTTP.

    Each of a request's answers is asked for by itself, so that each is kept, tried again and paid for by itself; the
    prompt is paid for with each. Threads may share a model; a process that unpickles one opens its own connections.

    Raises:
        ModelError: The reference names no service, its key is not set, or there is a budget and no price.
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
        """Folder where answers are kept; None for none."""
        self.budget = budget
        self._place = find_place(reference, self.settings.address)
        find_key(self._place)
        self._check_price()
        self._lock = Lock()
        self._office: _Office | None = None

    @property
    def means(self) -> Means:
        """What the service can do; a single model may do less, which only asking shows."""
        return self._place.service.means

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion or one reason for each request, in order; nobody is asked twice for what is kept.

        Raises:
            ModelError: The service cannot do what one of them asks, or its key is not set: before anything is asked.
            StoreError: The folder of answers cannot be used.
        """
        for request in requests:
            check(self._place, request)
        most = [dollars(self._place, self.settings.price, at_most(self._place, request)) for request in requests]
        if not requests:
            return []
        office = self._opened()
        return office.line.run(office.all(requests, most))

    def log_probs(self, texts: Sequence[str]) -> NoReturn:
        """Never: no service says how probable a given text is.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            f"Model {self._place.reference!r} is asked over HTTP and cannot say how probable a text is.",
            hint="A model from the hub or a folder can.",
        )

    def estimate(self, requests: Sequence[TextRequest]) -> Estimate:
        """What `complete` would ask for, roughly; asks nobody. Kept answers are counted and cost nothing.

        Raises:
            ModelError: As `complete`.
            StoreError: The folder of answers cannot be used.
        """
        return estimate(self._place, self.settings.price, self.answers, requests)

    def close(self) -> None:
        """Closes connections and files; a later question opens them again."""
        with self._lock:
            office, self._office = self._office, None
        if office is not None:
            office.line.close()

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RemoteModel({self._place.reference!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_office": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def _check_price(self) -> None:
        bounded = self.budget is not None and self.budget.dollars is not None
        if bounded and dollars(self._place, self.settings.price, Usage(1, 1)) is None:
            raise ModelError(
                f"No table knows what {self._place.reference!r} costs, so a budget cannot be kept.",
                hint="Give a Price, Price(0, 0) for a server of your own, or no budget.",
            )

    def _opened(self) -> _Office:
        with self._lock:
            if self._office is None or self._office.line.process != os.getpid():
                self._office = _open(self._place, self.settings, self.answers, self.budget)
                # Where nobody closes the model, its last reference or the end of the process does.
                weakref.finalize(self, self._office.line.close)
            return self._office


@lru_cache(maxsize=4)
def open_remote(
    reference: str, settings: RemoteSettings | None = None, answers: Path | None = None, budget: Budget | None = None
) -> RemoteModel:
    """A `RemoteModel` that is opened once in a process, so that its connections and its pace last.

    Raises:
        ModelError: The reference names no service, or its key is not set.
    """
    return RemoteModel(reference, settings, answers=answers, budget=budget)


def open_remote_backend(request: ModelRequest) -> RemoteModel:
    """Open a remote model that caches its answers for all runs of this user.

    Raises:
        ModelError: As `open_remote`.
    """
    return open_remote(request.reference, answers=answers_folder(), budget=request.budget)


@dataclass(eq=False)
class _Office:
    """What lives on the line: the client behind the asker, the cache, and what is under way."""

    place: Place
    line: Line
    asker: Asker
    cache: AnswerCache | None

    def __post_init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[Outcome | None]] = {}
        self._form = 0

    async def all(
        self, requests: Sequence[TextRequest], most: Sequence[float | None]
    ) -> Sequence[Completion | NotCompleted]:
        outcomes: list[list[Outcome]] = [[Outcome()] * request.decoding.answers for request in requests]
        askings = ((nth, number) for nth, r in enumerate(requests) for number in range(r.decoding.answers))

        async def work() -> None:
            for nth, number in askings:
                outcomes[nth][number] = await self._one(requests[nth], number, most[nth])

        total = sum(request.decoding.answers for request in requests)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(total, self.asker.pace.most)):
                    group.create_task(work())
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
        return [_combined(parts) for parts in outcomes]

    async def _one(self, request: TextRequest, number: int, most: float | None) -> Outcome:
        if self.cache is None:
            return await self._ask(request, number, most)
        key = digest(self.place, request, number)
        while (other := self._under_way.get(key)) is not None:
            # Asked a moment ago, in this batch or by another thread: one of us is enough.
            same = await asyncio.shield(other)
            if same is not None:
                return replace(same, cached=True) if same.answer else replace(same, dollars=0.0)
        if (kept := self.cache.get(key)) is not None:
            return Outcome(kept.answer, None, 0, kept.prompt_tokens, kept.dollars, cached=True)
        return await self._first(key, request, number, most)

    async def _ask(self, request: TextRequest, number: int, most: float | None) -> Outcome:
        """In the form that the server was found to take, or the first one that it takes."""
        last = forms(self.place, request) - 1
        form = min(self._form, last)
        outcome = await self.asker.ask(question(self.place, request, number, form), most)
        while (trouble := outcome.trouble) is not None and trouble.strange:
            if form == last:
                wanted = ", ".join(sorted(request.decoding.controls & BEYOND))
                reason = f"The server takes no {wanted}: {trouble.reason}" if wanted else trouble.reason
                return replace(outcome, trouble=replace(trouble, lack="cannot", reason=reason))
            form += 1
            outcome = await self.asker.ask(question(self.place, request, number, form), most)
        self._form = max(form, self._form)
        return outcome

    async def _first(self, key: str, request: TextRequest, number: int, most: float | None) -> Outcome:
        assert self.cache is not None
        ours: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = ours
        outcome = None
        try:
            outcome = await self._ask(request, number, most)
            if outcome.answer is not None:
                self.cache.put(key, Kept(outcome.answer, outcome.prompt_tokens, outcome.dollars))
        finally:
            del self._under_way[key]
            ours.set_result(outcome)
        return outcome


def _open(place: Place, settings: RemoteSettings, answers: Path | None, budget: Budget | None) -> _Office:
    key = find_key(place)
    line = Line()

    async def start() -> _Office:
        cache = AnswerCache(answers) if answers is not None else None
        if cache is not None:
            line.at_close(_closing(cache))
        client, closer = open_client(place, key)
        line.at_close(closer)

        async def send(**asked: Any) -> Any:
            # The libraries' own limit is 600 seconds; ours, over the whole try, ends it first.
            return await client.acompletion(timeout=settings.try_s + 5.0, **asked)

        return _Office(place, line, Asker(send, place, key, settings, budget), cache)

    try:
        return line.run(start())
    except BaseException:
        line.close()
        raise


def _closing(cache: AnswerCache) -> Any:
    async def close() -> None:
        cache.close()

    return close


def _combined(parts: Sequence[Outcome]) -> Completion | NotCompleted:
    """One request's outcomes together; a request with one answer missing has none, but what was paid is told."""
    new = [part.dollars for part in parts if not part.cached]
    failed = next((part for part in parts if part.answer is None), None)
    if failed is not None:
        assert failed.trouble is not None
        return NotCompleted(failed.trouble.lack, failed.trouble.reason, failed.tries, _sum(new))
    cached = not new
    return Completion(
        tuple(part.answer for part in parts if part.answer is not None),
        parts[0].prompt_tokens,
        _sum([part.dollars for part in parts] if cached else new),
        cached,
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
