"""Run folder: identified by a marker file, used by one process at a time."""

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

RUN_MARKER = ".assay-run"
LEDGER_FILE = ".money.sqlite"
LOCK = ".assay-run.lock"
"""Separate from the marker, as a locked file cannot be read on Windows."""
FORMAT = 1
_PART = re.compile(r"\w[\w.=+ -]*")


@dataclass(frozen=True)
class RunFolder:
    """Folder of a run; use `open` to create an instance."""

    path: Path

    @classmethod
    def open(cls, path: Path, *, create: bool) -> RunFolder:
        """Open the run at `path`; with `create`, a missing or empty folder becomes a run folder.

        Raises:
            StoreError: The path is a file, a folder of something else or of a newer version, or missing; with `create`,
                also if it is not writable. Nothing is changed.
        """
        with disk_errors(path):
            return cls._open(path, create=create)

    @classmethod
    def _open(cls, path: Path, *, create: bool) -> RunFolder:
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file, expected a run folder.")
        if _is_run(path):
            _check_format(path / RUN_MARKER)
        elif path.is_dir() and any(path.iterdir()):
            raise StoreError(
                f"{path} is not a run folder: it has files, but no {RUN_MARKER}.",
                hint="Nothing in it was changed. Choose a folder that does not exist.",
            )
        elif create:
            _create(path)
        else:
            raise StoreError(f"There is no run at {path}.", hint=_runs_hint(path))
        if create and not os.access(path, os.W_OK | os.X_OK):
            raise StoreError(f"{path} cannot be written.")
        return cls(path)

    @property
    def ledger(self) -> Path:
        """Database of the run's cost; exists after the first request."""
        return self.path.absolute() / LEDGER_FILE

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder against other processes; the lock is released when the process ends.

        Raises:
            StoreError: Another process holds the lock.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / LOCK, blocking=False)
        with disk_errors(self.path / LOCK):
            try:
                lock.acquire()
            except Timeout as error:
                raise StoreError(
                    f"Another assay process uses {self.path}.", hint="Wait until it ends, or choose another folder."
                ) from error
        try:
            yield
        finally:
            lock.release()

    def stage(self, name: str) -> Path:
        """Folder of the stage `name`, created if missing.

        Raises:
            StoreError: Invalid name, or the folder cannot be created.
        """
        folder = self._inside(name)
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        return folder

    def stages(self) -> list[Path]:
        """Stage folders, sorted by name."""
        return sorted(
            entry
            for entry in self.path.iterdir()
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
        )

    def clean_temporaries(self) -> int:
        """Remove temporary files of interrupted writes and return their number; call it under the lock."""
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
        """Write `text` atomically as UTF-8 to the file `name` and return its path.

        Raises:
            StoreError: Invalid name, the disk is full, or the path cannot be written.
        """
        path = self._inside(name)
        write_bytes(path, text.encode())
        return path

    def write_json(self, name: str, value: object) -> Path:
        """Write `value` atomically as JSON with sorted keys to the file `name` and return its path.

        Raises:
            StoreError: As `write_text`.
            TypeError: Not JSON.
            ValueError: A number is not finite.
        """
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        return self.write_text(name, text + "\n")

    def _inside(self, name: str) -> Path:
        if not _PART.fullmatch(name):
            raise StoreError(f"{name!r} is not a valid file name: expected letters, digits and - _ . = +.")
        return self.path / name


def _is_run(path: Path) -> bool:
    return (path / RUN_MARKER).is_file()


def _check_format(marker: Path) -> None:
    try:
        text = marker.read_text(encoding="utf-8")
        # The marker is empty if the process was killed between creating and writing it.
        version = int(json.loads(text)["format"]) if text else FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{marker} is not a readable run marker.") from error
    if version > FORMAT:
        raise StoreError(f"{marker.parent} was written by a newer assay (format {version}, this one reads {FORMAT}).")


def _create(path: Path) -> None:
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        # Not renamed into place: two processes that start together must lock the same file.
        with (path / RUN_MARKER).open("a", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(json.dumps({"format": FORMAT}) + "\n")


def _runs_hint(path: Path) -> str:
    try:
        runs = [entry.name for entry in path.absolute().parent.iterdir() if _is_run(entry)]
    except OSError:
        runs = []
    return did_you_mean(path.name, runs) if runs else f"There are no runs in {path.absolute().parent}."
