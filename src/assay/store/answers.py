"""What models answered, kept as it came: JSON lines, so that another way of reading them asks nobody again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from assay.core.completions import Likelihood
from assay.core.errors import StoreError
from assay.store.atomic import write_bytes


@dataclass(frozen=True)
class AnswerRow:
    """What a model answered to one question."""

    id: str
    """Of the sample that holds the question."""
    prompt: str
    """Digest of everything that the model was given."""
    texts: tuple[str, ...] = ()
    """What it wrote last, one a sample."""
    thinking: tuple[str, ...] = ()
    """What it wrote before, in the first of two calls."""
    ends: tuple[str, ...] = ()
    """How each of `texts` ended."""
    likelihoods: tuple[Likelihood, ...] = ()
    """One a choice, where nothing was written."""
    lack: str = ""
    """Why there is no answer, in a word; empty where there is one."""
    reason: str = ""
    tokens: int | None = 0
    """Generated; None where the service did not say."""
    dollars: float | None = 0.0
    """Paid; None where the price is not known."""
    seconds: float = 0.0
    """Its share of the time that its part took."""


def write_answers(path: Path, rows: Sequence[AnswerRow]) -> None:
    """Writes one part, whole or not at all.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    encoder = msgspec.json.Encoder()
    write_bytes(path, b"".join(encoder.encode(row) + b"\n" for row in rows))


def read_answers(path: Path) -> list[AnswerRow]:
    """The rows of one part.

    Raises:
        StoreError: It is missing or damaged.
    """
    decoder = msgspec.json.Decoder(AnswerRow)
    try:
        return [decoder.decode(line) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{path} cannot be read as answers: {error}.") from error
