"""What every way of decoding needs: the model as a function, and when an answer ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from assay.core.decoding import Decoding
from assay.core.errors import ContractError
from assay.text.decoding.logits import Floats, Logits

Stepper: TypeAlias = Callable[[list[list[int]]], Logits]
"""Token ids of n sequences, prompt and answer so far, to logits of the NEXT token of each: (n, vocabulary)."""
Detokenize: TypeAlias = Callable[[Sequence[int]], str]


class Counted:
    """A stepper that counts what it is asked."""

    def __init__(self, step: Stepper) -> None:
        self._step = step
        self.calls = 0
        self.rows = 0

    def __call__(self, sequences: list[list[int]]) -> Floats:
        """As a stepper, in float64.

        Raises:
            ContractError: Logits of another shape, NaN, or a row without any that is finite.
        """
        self.calls += 1
        self.rows += len(sequences)
        logits = np.asarray(self._step(sequences), dtype=np.float64)
        if logits.ndim != 2 or len(logits) != len(sequences):
            raise ContractError(f"A stepper gives (n, vocabulary), gave {logits.shape} for n = {len(sequences)}.")
        if not np.isfinite(logits.max(axis=-1)).all():
            raise ContractError("A stepper gave logits that are NaN or infinite.")
        return logits


@dataclass(frozen=True)
class Ending:
    """When an answer ends, and what its text is then."""

    decoding: Decoding
    eos: frozenset[int]
    detokenize: Detokenize | None

    def __post_init__(self) -> None:
        if self.decoding.stop and self.detokenize is None:
            raise ValueError("Decoding.stop needs a function that makes text of tokens.")

    def of(self, ids: Sequence[int]) -> Literal["stop", "length"] | None:
        """How the answer of these ids ended; None where it goes on."""
        if ids[-1] in self.eos or (self.decoding.stop and self._stops(self._whole(ids) or "")):
            return "stop"
        return "length" if len(ids) >= self.decoding.max_tokens else None

    def text(self, ids: Sequence[int]) -> str | None:
        """Up to the end token and the first stop string."""
        whole = self._whole(ids)
        return whole if whole is None else whole[: min(self._stops(whole), default=None)]

    def _whole(self, ids: Sequence[int]) -> str | None:
        spoken = ids[:-1] if ids and ids[-1] in self.eos else ids
        return self.detokenize(spoken) if self.detokenize else None

    def _stops(self, text: str) -> list[int]:
        return [at for stop in self.decoding.stop if (at := text.find(stop)) >= 0]
