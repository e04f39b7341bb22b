"""Stage keys and receipts.

A key is the digest of everything that a stage's output depends on. A receipt lists what a stage did and the files it
wrote; it is written last, so its existence means that the stage is complete.
"""

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

KEY_DIGITS = 12


def canonical_json(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, tuples as lists, minimal escapes.

    Raises:
        TypeError: Not JSON, or a key is not a string (1 and "1" would become the same key).
        ValueError: A number is not finite.
    """
    return json.dumps(_to_json_value(value), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`, 64 hexadecimal digits; raises as `canonical_json`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def stage_key(spec: Mapping[str, object], inputs: Sequence[str], version: int, seed: int) -> str:
    """Key of a stage: the first 12 hexadecimal digits of the digest of spec, inputs, version and seed.

    `inputs` are the digests of the stage's inputs, in order; `version` is the component's.
    """
    return digest({"spec": spec, "inputs": list(inputs), "version": version, "seed": seed})[:KEY_DIGITS]


def _to_json_value(value: object) -> object:
    """Convert mappings to dicts and tuples to lists."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"Keys must be strings, had {key!r}.")
        return {key: _to_json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json_value(part) for part in value]
    return value


RECEIPT_FILE = "receipt.json"


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Record of a completed stage.

    `digest` must be `digest(files)`; it identifies the stage's output as an input of later stages.

    Raises:
        ValueError: The digest does not match the files.
    """

    stage: str
    key: str
    spec: Mapping[str, object]
    """Component with all arguments; tuples are lists after reading."""
    inputs: Sequence[str]
    """Digests of the stage's inputs."""
    component_version: int
    seed: int
    counts: Mapping[str, int]
    files: Mapping[str, str]
    """SHA-256 by relative path with forward slashes; see `file_digests`."""
    digest: str
    seconds: float
    tokens: int | None = None
    """Tokens of prompts and answers of remote services; None if none was used."""
    cost_usd: float | Literal["unknown"] | None = None
    """None if no remote service was used; "unknown" if its price is not known."""
    environment: Mapping[str, str] = field(default_factory=dict)
    finished: str = ""
    """Time of completion, ISO 8601 in UTC; "" in receipts of older versions."""

    def __post_init__(self) -> None:
        if self.digest != digest(self.files):
            raise ValueError(f"Receipt {self.stage}-{self.key}: the digest does not match the files.")


def write_receipt(folder: Path, receipt: Receipt) -> Receipt:
    """Write receipt.json atomically; call it after all files are written.

    Returns:
        The receipt as `read_receipt` gives it, so that a run and a later command see the same.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    text = json.dumps(asdict(receipt), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(folder / RECEIPT_FILE, (text + "\n").encode())
    return msgspec.json.decode(text, type=Receipt)


def read_receipt(folder: Path) -> Receipt | None:
    """Receipt of `folder`; None if it is missing or damaged, that is, if the stage is incomplete."""
    try:
        return msgspec.json.decode((folder / RECEIPT_FILE).read_bytes(), type=Receipt)
    except (OSError, ValueError, msgspec.DecodeError):
        return None


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in `folder` by relative path with forward slashes, sorted.

    Excludes the receipt and temporary files of interrupted writes.
    """
    digests = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if relative != RECEIPT_FILE and not is_temporary(name):
                digests[relative] = _sha256(path)
    return dict(sorted(digests.items()))


def damaged_files(folder: Path, receipt: Receipt) -> list[str]:
    """Sorted names of the receipt's files that are missing from `folder` or have another digest."""
    return [name for name, expected in sorted(receipt.files.items()) if _sha256_or_none(folder / name) != expected]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_or_none(path: Path) -> str | None:
    try:
        return _sha256(path)
    except OSError:
        return None
