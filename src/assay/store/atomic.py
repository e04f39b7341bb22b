"""Writing a file as one step: it is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

_OURS = re.compile(r"\..+\.\d+\.tmp", re.DOTALL)


def temporary_name(path: Path) -> Path:
    """Where this process writes before renaming to `path`: beside it, hidden, ending in .tmp."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a leftover of `write_bytes`."""
    return _OURS.fullmatch(name) is not None


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system says while `path` is written into a StoreError."""
    try:
        yield
    except OSError as error:
        # A quota that is used up is a full disk to whoever meets it.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"The disk is full: {path} could not be written.",
                hint="Finished shards are safe. Free some space and give the same command again: it goes on from here.",
            ) from error
        raise StoreError(f"{path} could not be written: {error.strerror or error}.") from error


def write_bytes(path: Path, data: bytes | Buffer) -> None:
    """Writes `data` to `path`, replacing what is there, in one step that survives a crash and a power cut.

    Raises:
        StoreError: The disk is full, or the path cannot be written; nothing is left behind.
    """
    temporary = temporary_name(path)
    with disk_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems have no such thing for folders; the file itself is safe.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
