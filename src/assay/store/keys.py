"""Keys: names of artifacts that depend on what went in, and on nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

KEY_DIGITS = 12


def canonical(value: object) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, tuples as lists, nothing escaped that need not be.

    Raises:
        TypeError: A part is not JSON, or a key is not a string: 1 and "1" would become the same key.
        ValueError: A number is not finite.
    """
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`, 64 hexadecimal digits; raises what `canonical` raises."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def stage_key(spec: Mapping[str, object], inputs: Sequence[str], version: int, seed: int) -> str:
    """The first 12 hexadecimal digits of the digest of everything a stage's output depends on.

    `inputs` are the digests of what the stage reads, in order; `version` is the component's.
    """
    return digest({"spec": spec, "inputs": list(inputs), "version": version, "seed": seed})[:KEY_DIGITS]


def _plain(value: object) -> object:
    """`value` with every mapping a dict and every tuple a list."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"Only strings can be keys, had {key!r}.")
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def stream_seed(*parts: object) -> int:
    """Sampling seed of one request, derived from its identity and independent of batch and order."""
    return int(hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:15], 16)
