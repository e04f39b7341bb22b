"""A thread with an event loop of its own: asynchronous libraries behind a synchronous interface."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any, TypeVar

T = TypeVar("T")
CLOSING_S = 2.0
"""A connection that does not close in this time is left to the operating system."""


class Line:
    """Runs coroutines on its thread, whichever thread asks, and whether or not that one has a loop."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._thread = Thread(target=self._loop.run_forever, name="assay-line", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result. Where the caller is interrupted, the work is too."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def at_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Has `closer` called on the loop when the line is closed."""
        self._closers.append(closer)

    def close(self) -> None:
        """Ends what runs, closes what was opened, and ends the thread. A second time does nothing."""
        # After a fork the thread is not there, and what it opened belongs to the parent.
        if self._loop.is_closed() or self.process != os.getpid():
            return
        # The collector may end the last reference to a model on any thread, this one too.
        if current_thread() is self._thread:
            self._loop.stop()
            return
        # Bounded: a library that holds on to a connection must not keep a program from ending.
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(3 * CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _shut(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=CLOSING_S)
        for closer in self._closers:
            # A client that cannot be closed must not keep the others open.
            with suppress(Exception):
                await asyncio.wait_for(closer(), CLOSING_S)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
