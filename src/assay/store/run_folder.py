"""A run's folder: it is ours when it holds our marker, and one process works in it at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import StoreError, did_you_mean
from assay.store.atomic import disk_errors, is_temporary, write_bytes

MARKER = ".assay-run"
LEDGER = ".money.sqlite"
LOCK = ".assay-run.lock"
"""Separate from the marker, because a locked file cannot be read on Windows."""
FORMAT = 1
_PART = re.compile(r"\w[\w.=+ -]*")


@dataclass(frozen=True)
class RunFolder:
    """A folder that assay made; `open` is the way to have one."""

    path: Path

    @classmethod
    def open(cls, path: Path, *, create: bool) -> RunFolder:
        """The run at `path`; with `create`, a new or empty folder is made into one.

        Raises:
            StoreError: It is a file, somebody else's folder, a newer assay's, or missing; with `create`, also where it
                cannot be written. Nothing there is touched.
        """
        with disk_errors(path):
            return cls._open(path, create=create)

    @classmethod
    def _open(cls, path: Path, *, create: bool) -> RunFolder:
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file, expected a run folder.")
        if _is_run(path):
            _check_format(path / MARKER)
        elif path.is_dir() and any(path.iterdir()):
            raise StoreError(
                f"{path} is not a run of assay's: it holds files and no {MARKER}.",
                hint="Nothing in it was touched. Name a folder that does not exist yet.",
            )
        elif create:
            _make(path)
        else:
            raise StoreError(f"There is no run at {path}.", hint=_runs_beside(path))
        if create and not os.access(path, os.W_OK | os.X_OK):
            raise StoreError(f"{path} cannot be written.")
        return cls(path)

    @property
    def ledger(self) -> Path:
        """Where the run's money is written up; there once something was asked for."""
        return self.path.absolute() / LEDGER

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out of the folder while the block runs; the lock ends with the process that took it.

        Raises:
            StoreError: Another process works in the folder.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / LOCK, blocking=False)
        with disk_errors(self.path / LOCK):
            try:
                lock.acquire()
            except Timeout as error:
                raise StoreError(
                    f"Another assay is working in {self.path}.", hint="Wait for it to end, or name another folder."
                ) from error
        try:
            yield
        finally:
            lock.release()

    def stage(self, name: str) -> Path:
        """The folder of the stage called `name`, made if need be.

        Raises:
            StoreError: The name is no plain file name, or the folder cannot be made.
        """
        folder = self._inside(name)
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        return folder

    def stages(self) -> list[Path]:
        """The folders of stages, in order of name."""
        return sorted(
            entry
            for entry in self.path.iterdir()
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
        )

    def clean_temporaries(self) -> int:
        """Removes what an interrupted write left, here and in stage folders, and counts it; call it under the lock."""
        tops = [entry for entry in self.path.iterdir() if is_temporary(entry.name)]
        nested = [
            Path(parent, name)
            for stage in self.stages()
            for parent, _, names in os.walk(stage)
            for name in names
            if is_temporary(name)
        ]
        leftovers = [path for path in tops + nested if path.is_file() and not path.is_symlink()]
        for path in leftovers:
            with disk_errors(path):
                path.unlink(missing_ok=True)
        return len(leftovers)

    def write_text(self, name: str, text: str) -> Path:
        """Writes `text` as UTF-8 to the file `name`, in one step, and gives its path.

        Raises:
            StoreError: The name is no plain file name, the disk is full, or the path cannot be written.
        """
        path = self._inside(name)
        write_bytes(path, text.encode())
        return path

    def write_json(self, name: str, value: object) -> Path:
        """Writes `value` as JSON with sorted keys to the file `name`, in one step, and gives its path.

        Raises:
            StoreError: As `write_text`.
            TypeError: The value is not JSON.
            ValueError: A number is not finite.
        """
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        return self.write_text(name, text + "\n")

    def _inside(self, name: str) -> Path:
        if not _PART.fullmatch(name):
            raise StoreError(f"{name!r} cannot be the name of a file: expected letters, digits and - _ . = +.")
        return self.path / name


def _is_run(path: Path) -> bool:
    return (path / MARKER).is_file()


def _check_format(marker: Path) -> None:
    try:
        text = marker.read_text(encoding="utf-8")
        # A kill between making the marker and filling it leaves it empty; it is ours all the same.
        found = int(json.loads(text)["format"]) if text else FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{marker} cannot be read as a run's marker.") from error
    if found > FORMAT:
        raise StoreError(f"{marker.parent} was made by a newer assay (format {found}, this one reads {FORMAT}).")


def _make(path: Path) -> None:
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        # Never renamed into place: two processes that start at once must lock one and the same file.
        with (path / MARKER).open("a", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(json.dumps({"format": FORMAT}) + "\n")


def _runs_beside(path: Path) -> str:
    try:
        runs = [entry.name for entry in path.absolute().parent.iterdir() if _is_run(entry)]
    except OSError:
        runs = []
    return did_you_mean(path.name, runs) if runs else f"There are no runs in {path.absolute().parent}."
