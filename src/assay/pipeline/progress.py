"""How a run tells what it is doing: one bar a stage with the time left, or one line a stage where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Reporter(Protocol):
    """Hears of stages as they go."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """A stage begins with `done` of `total` already there."""
        ...

    def advance(self, done: int, total: int) -> None:
        """It has come so far."""
        ...

    def end(self, note: str) -> None:
        """It is done, or was done before."""
        ...

    def say(self, text: str) -> None:
        """Something the user should know."""
        ...


class Silent:
    """Says nothing."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, done: int, total: int) -> None: ...

    def end(self, note: str) -> None: ...

    def say(self, text: str) -> None: ...


class Bars:
    """Bars on standard error; standard output is left to results."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""
        self._started = 0.0
        self._task = progress.add_task("", total=1, visible=False)

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._started = stage, time.monotonic()
        self._task = self._progress.add_task(stage, total=max(total, 1), completed=done)

    def advance(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=max(total, 1))

    def end(self, note: str) -> None:
        self._progress.remove_task(self._task)
        seconds = time.monotonic() - self._started
        self._progress.console.print(f"  [green]✓[/] {self._stage:<26} {note:<44} {seconds:6.1f} s", highlight=False)

    def say(self, text: str) -> None:
        self._progress.console.print(f"  [yellow]![/] {text}", highlight=False)


class Lines:
    """A line when a stage ends, and one every half minute on the way: for logs."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = self._spoke = 0.0
        self._first = 0

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._first = stage, done
        self._started = self._spoke = time.monotonic()

    def advance(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._spoke < 30 or done >= total:  # the end has a line of its own
            return
        self._spoke = now
        left = (now - self._started) * (total - done) / max(1, done - self._first)
        self._print(f"    {self._stage}: {done} of {total}, about {left:.0f} s left")

    def end(self, note: str) -> None:
        self._print(f"  ✓ {self._stage:<26} {note:<44} {time.monotonic() - self._started:6.1f} s")

    def say(self, text: str) -> None:
        self._print(f"  ! {text}")

    def _print(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


@contextmanager
def watched() -> Iterator[Reporter]:
    """Bars where somebody looks at a terminal, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (
        TextColumn("  {task.description:<26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)
