"""Progress of a run on standard error: progress bars in a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

QUIET_ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}
"""Environment variables that libraries read at import, in this process and in its worker processes."""
QUIET_LIBRARIES = ("transformers", "diffusers")
SECONDS_PER_LINE = 30


class Reporter(Protocol):
    """Receives the progress of the stages of a run."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """A stage starts; `done` of its `total` items exist already."""
        ...

    def advance(self, done: int, total: int) -> None:
        """`done` items of the current stage exist."""
        ...

    def end(self, note: str) -> None:
        """The current stage is complete, `note` summarizes it."""
        ...

    def warn(self, text: str) -> None:
        """A warning for the user."""
        ...


class SilentReporter:
    """Reporter without output."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, done: int, total: int) -> None: ...

    def end(self, note: str) -> None: ...

    def warn(self, text: str) -> None: ...


class ProgressBars:
    """Progress bars on standard error; standard output holds only results."""

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

    def warn(self, text: str) -> None:
        self._progress.console.print(f"  [yellow]![/] {text}", highlight=False)


class LogLines:
    """One line when a stage ends, and one every `SECONDS_PER_LINE` seconds before: for log files."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = self._last_line = 0.0
        self._first = 0

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._first = stage, done
        self._started = self._last_line = time.monotonic()

    def advance(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last_line < SECONDS_PER_LINE or done >= total:  # `end` prints the last line
            return
        self._last_line = now
        seconds_left = (now - self._started) * (total - done) / max(1, done - self._first)
        self._print(f"    {self._stage}: {done} of {total}, about {seconds_left:.0f} s left")

    def end(self, note: str) -> None:
        self._print(f"  ✓ {self._stage:<26} {note:<44} {time.monotonic() - self._started:6.1f} s")

    def warn(self, text: str) -> None:
        self._print(f"  ! {text}")

    def _print(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


@contextmanager
def terminal_reporter() -> Iterator[Reporter]:
    """Progress bars if standard error is a terminal, else log lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LogLines()
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
        yield ProgressBars(progress)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Disable the progress bars and warnings of model libraries inside the block, and restore their settings after."""
    environment = {name: os.environ.get(name) for name in QUIET_ENVIRONMENT}
    os.environ.update(QUIET_ENVIRONMENT)
    # Not imported here: a run with nothing to do must not wait for these imports.
    modules = [sys.modules[name] for lib in QUIET_LIBRARIES if (name := f"{lib}.utils.logging") in sys.modules]
    before = [(module, module.get_verbosity(), module.is_progress_bar_enabled()) for module in modules]
    for module in modules:
        module.set_verbosity(logging.ERROR)
        module.disable_progress_bar()
    try:
        yield
    finally:
        for module, verbosity, bars in before:
            module.set_verbosity(verbosity)
            if bars:
                module.enable_progress_bar()
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
