"""Data sets of Debian packages, downloaded with apt-get and unpacked without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

TIMEOUT_S = 300.0


class NotAvailable(Exception):
    """A location does not have the data; the next one is tried."""


def cache_folder(name: str) -> Path:
    """Folder of an unpacked copy, below $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / name


def unpack_package(package: str, installed: Path, target: Path) -> Path:
    """Download a package and unpack what it would install into the folder `installed` into the folder `target`.

    Raises:
        NotAvailable: This is not Debian, or it cannot be fetched.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise NotAvailable("this machine has no apt-get and dpkg")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        _command(["apt-get", "download", package], temporary)
        _command(["dpkg", "-x", *map(str, Path(temporary).glob("*.deb")), "unpacked"], temporary)
        try:
            (Path(temporary, "unpacked") / installed.relative_to("/")).rename(target)
        except OSError:  # another process was first; its bytes are verified, too
            if not target.is_dir():
                raise
    return target


def _command(words: list[str], folder: str) -> None:
    try:
        subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.CalledProcessError as problem:
        lines = [line for line in problem.stderr.splitlines() if line.startswith("E:")]
        raise NotAvailable(f"`{' '.join(words[:2])}` failed ({' '.join(lines) or problem.stderr.strip()})") from problem
    except subprocess.TimeoutExpired as problem:
        raise NotAvailable(f"`{' '.join(words[:2])}` took over {TIMEOUT_S:g} s") from problem
