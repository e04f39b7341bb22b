"""Engine on this machine, in this process or in a process pool."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from assay.core.errors import UserError
from assay.core.roles import Work

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Local:
    """Run shards on this machine with `workers` processes; 1 runs in this process."""

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"Local.workers must be at least 1, was {self.workers}.")

    def map(self, work: Work[In, Out], shards: Sequence[In]) -> Iterator[Out]:
        """Results in the order of the shards. Exceptions of workers are re-raised.

        Raises:
            UserError: A worker died.
        """
        if self.workers == 1:
            yield from map(work, shards)
            return
        try:
            yield from _pool(self.workers).map(work, shards)
        except BrokenProcessPool as error:
            _pool.cache_clear()
            raise UserError(
                "A worker process died, most often because memory ran out.",
                hint="Finished shards are kept. Use fewer workers to need less memory.",
                engine="Local",
            ) from error


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Process pool that is reused by all stages, so that workers keep their models open."""
    # Spawn, not fork: a forked child of a process that has used torch threads can hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent)


def _follow_parent() -> None:
    """Initialize a worker: ignore Ctrl-C, and exit when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers come here"
    parent.join()
    os._exit(1)
