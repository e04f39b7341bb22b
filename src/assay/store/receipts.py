"""Receipts: what a stage did, and which files it left. Written last: its existence is completion."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from assay.store.atomic import is_temporary, write_bytes
from assay.store.keys import digest as digest_of

NAME = "receipt.json"


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a stage did.

    `digest` must be `keys.digest(files)`: a later stage names its input by it.

    Raises:
        ValueError: The digest is not that of the files.
    """

    stage: str
    key: str
    spec: Mapping[str, object]
    """The component, every argument written out; lists where there were tuples once it has been read back."""
    inputs: Sequence[str]
    """Digests of what the stage read."""
    component_version: int
    seed: int
    counts: Mapping[str, int]
    files: Mapping[str, str]
    """SHA-256 of each file, by its path in the folder with forward slashes; see `files_of`."""
    digest: str
    seconds: float
    tokens: int | None = None
    """Of prompts and answers that a service was asked for; None where none was."""
    cost_usd: float | Literal["unknown"] | None = None
    """None where no service was asked; "unknown" is never 0."""
    environment: Mapping[str, str] = field(default_factory=dict)
    finished: str = ""
    """When, ISO 8601 in UTC; "" where an older assay did not note it."""

    def __post_init__(self) -> None:
        if self.digest != digest_of(self.files):
            raise ValueError(f"The digest of receipt {self.stage}-{self.key} is not that of its files.")


def write_receipt(folder: Path, receipt: Receipt) -> Receipt:
    """Write `receipt` as receipt.json in `folder`, in one step, after every file it names.

    Returns:
        The receipt as `read_receipt` gives it, so that a run and a later command see the same.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    text = json.dumps(asdict(receipt), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(folder / NAME, (text + "\n").encode())
    return msgspec.json.decode(text, type=Receipt)


def read_receipt(folder: Path) -> Receipt | None:
    """The receipt in `folder`; None where there is none, or where it is damaged: then the stage is not complete."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Receipt)
    except (OSError, ValueError, msgspec.DecodeError):
        return None


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in `folder`, by its relative path with forward slashes, in order of path.

    The receipt itself and leftovers of interrupted writes are left out.
    """
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if relative != NAME and not is_temporary(name):
                found[relative] = _sha256(path)
    return dict(sorted(found.items()))


def damaged(folder: Path, receipt: Receipt) -> list[str]:
    """The files of `receipt` that are missing from `folder`, or are not what they were; in order of path."""
    return [name for name, expected in sorted(receipt.files.items()) if _sha256_or_none(folder / name) != expected]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_or_none(path: Path) -> str | None:
    try:
        return _sha256(path)
    except OSError:
        return None
