"""Data that Debian packages: fetched by its own tools and unpacked without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PATIENCE = 300.0
"""Seconds Debian's mirror has to send a package."""


class Absent(Exception):
    """A place does not have the data: no error, the next one may."""


def cache(name: str) -> Path:
    """Where assay keeps an unpacked copy: under $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / name


def unpacked(package: str, installed: Path, target: Path) -> Path:
    """Fetches a package and unpacks what it would install in the folder `installed` into the folder `target`.

    Raises:
        Absent: There is no Debian here, or it cannot be fetched.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise Absent("this machine has no apt-get and dpkg")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        _command(["apt-get", "download", package], temporary)
        _command(["dpkg", "-x", *map(str, Path(temporary).glob("*.deb")), "unpacked"], temporary)
        try:
            (Path(temporary, "unpacked") / installed.relative_to("/")).rename(target)
        except OSError:  # another process was first: its bytes are checked like ours
            if not target.is_dir():
                raise
    return target


def _command(words: list[str], folder: str) -> None:
    try:
        subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as problem:
        lines = [line for line in problem.stderr.splitlines() if line.startswith("E:")]
        raise Absent(f"`{' '.join(words[:2])}` failed ({' '.join(lines) or problem.stderr.strip()})") from problem
    except subprocess.TimeoutExpired as problem:
        raise Absent(f"`{' '.join(words[:2])}` took over {PATIENCE:g} s") from problem
