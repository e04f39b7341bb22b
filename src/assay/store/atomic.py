"""Atomic file writes."""

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

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp", re.DOTALL)


def temporary_name(path: Path) -> Path:
    """Hidden temporary path of this process in the folder of `path`, ending in .tmp."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file name is a temporary name of `write_bytes`."""
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Convert an OSError while `path` is written to a StoreError."""
    try:
        yield
    except OSError as error:
        # An exceeded quota is reported as a full disk.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"The disk is full: {path} could not be written.",
                hint="Finished shards are safe. Free some space and run the same command again to resume.",
                path=str(path),
                full=True,
            ) from error
        raise StoreError(
            f"{path} could not be written: {error.strerror or error}.", path=str(path), full=False
        ) from error


def write_bytes(path: Path, data: bytes | Buffer) -> None:
    """Write or replace `path` atomically and durably (temporary file, fsync, rename).

    Raises:
        StoreError: The disk is full, or the path cannot be written; the temporary file is removed.
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
    """Fsync the folder, so that the rename is durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems do not support fsync of folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
