"""What is made of a model's files once and kept for every later run of this user: unpacked or converted models."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path


def cache() -> Path:
    """Where unpacked and converted models are kept: $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "models"


def answers_folder() -> Path:
    """Folder of cached answers of remote models, shared by all runs of a user."""
    return cache().parent / "answers"


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' contents, in order; 64 hexadecimal digits."""
    parts = [_digest(path, path.stat().st_mtime_ns) for path in paths]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache; where it is not there yet, `make` fills it, given a folder that does not exist.

    Safe beside other processes that do the same: a folder appears whole or not at all.
    """
    target = cache() / name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as temporary:
            made = Path(temporary) / "model"
            make(made)
            try:
                made.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was faster
                    raise
    return target


@lru_cache(maxsize=32)
def _digest(path: Path, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
