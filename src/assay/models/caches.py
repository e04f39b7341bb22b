"""Caches: converted models on disk, embeddings in memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Row: TypeAlias = npt.NDArray[np.float32]


def cache_folder() -> Path:
    """Folder of unpacked and converted models, below $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "models"


def answers_folder() -> Path:
    """Folder of cached answers of remote models, shared by all runs of a user."""
    return cache_folder().parent / "answers"


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' contents, in order; 64 hexadecimal digits."""
    parts = [_digest(path, path.stat().st_mtime_ns) for path in paths]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def build_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the cache folder `name`. If it is missing, call `make` with the path of a folder to create.

    Safe with concurrent processes: the folder is renamed into place atomically.
    """
    target = cache_folder() / name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as temporary:
            folder = Path(temporary) / "model"
            make(folder)
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():  # another process created it first
                    raise
    return target


@lru_cache(maxsize=32)
def _digest(path: Path, _modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class EmbeddingCache:
    """LRU cache of embeddings with a limit in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._rows: OrderedDict[bytes, Row] = OrderedDict()

    def get(self, key: bytes) -> Row | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: Row) -> None:
        """Store a copy of `row` under a new key."""
        copied = row.copy()  # a view would keep its whole batch alive
        self._rows[key] = copied
        self._used += copied.nbytes + len(key)
        while self._used > self._limit:
            old_key, old_row = self._rows.popitem(last=False)
            self._used -= old_row.nbytes + len(old_key)

    def clear(self) -> None:
        """Remove all rows."""
        self._rows.clear()
        self._used = 0
