"""This machine: in this process, or in a pool of processes."""

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
    """Runs shards here, one after another, or `workers` at once."""

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"Local.workers must be at least 1, was {self.workers}.")

    def map(self, work: Work[In, Out], shards: Sequence[In]) -> Iterator[Out]:
        """Results in the order of the shards. An error in a worker is raised here as it was raised there.

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
                hint="What is finished stays. Fewer workers need less memory.",
            ) from error


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Kept from stage to stage, so that workers keep the models they opened; it ends with this process."""
    # Spawned, not forked: a forked child of a process that has used torch's threads can hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent)


def _follow_parent() -> None:
    """In a worker: Ctrl-C is the parent's to answer, and a parent that was killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers come here"
    parent.join()
    os._exit(1)
