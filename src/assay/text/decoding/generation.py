"""Model calls, stopping criteria and traces of the reference decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from assay.core.decoding import Decoding
from assay.core.errors import ContractError
from assay.text.decoding.logits import FloatArray, Logits

Stepper: TypeAlias = Callable[[list[list[int]]], Logits]
"""Maps token ids of n sequences (prompt and answer so far) to logits of the next token: (n, vocabulary)."""
Detokenize: TypeAlias = Callable[[Sequence[int]], str]


class CountingStepper:
    """Stepper that counts calls and rows and validates logits."""

    def __init__(self, step: Stepper) -> None:
        self._step = step
        self.calls = 0
        self.rows = 0

    def __call__(self, sequences: list[list[int]]) -> FloatArray:
        """Logits of the next token in float64.

        Raises:
            ContractError: Logits of the wrong shape, NaN, or a row without a finite logit.
        """
        self.calls += 1
        self.rows += len(sequences)
        logits = np.asarray(self._step(sequences), dtype=np.float64)
        if logits.ndim != 2 or len(logits) != len(sequences):
            raise ContractError(f"Logits must have shape ({len(sequences)}, vocabulary), had {logits.shape}.")
        if not np.isfinite(logits.max(axis=-1)).all():
            raise ContractError("Logits must be finite, were NaN or infinite.")
        return logits


@dataclass(frozen=True)
class StoppingCriteria:
    """Stopping criteria of an answer, and its text."""

    decoding: Decoding
    eos: frozenset[int]
    detokenize: Detokenize | None

    def __post_init__(self) -> None:
        if self.decoding.stop and self.detokenize is None:
            raise ValueError("Decoding.stop needs a detokenize function.")

    def reason(self, ids: Sequence[int]) -> Literal["stop", "length"] | None:
        """Why the answer with these ids ended; None if it continues."""
        if ids[-1] in self.eos or (self.decoding.stop and self._stops(self._whole(ids) or "")):
            return "stop"
        return "length" if len(ids) >= self.decoding.max_tokens else None

    def text(self, ids: Sequence[int]) -> str | None:
        """Text before the end token and the first stop string."""
        whole = self._whole(ids)
        return whole if whole is None else whole[: min(self._stops(whole), default=None)]

    def _whole(self, ids: Sequence[int]) -> str | None:
        content = ids[:-1] if ids and ids[-1] in self.eos else ids
        return self.detokenize(content) if self.detokenize else None

    def _stops(self, text: str) -> list[int]:
        return [at for stop in self.decoding.stop if (at := text.find(stop)) >= 0]


BranchStatus: TypeAlias = Literal["live", "finished", "dropped"]
"""Status of a branch: a beam of the next step, an answer, or neither."""


@dataclass(frozen=True)
class Candidate:
    """Candidate for the next token."""

    token: int
    probability: float
    """Model probability at temperature 1, without penalty or truncation."""
    chance: float
    """Sampling probability after penalty, temperature and truncation; with greedy 1 for one token."""


@dataclass(frozen=True)
class Step:
    """One token of a greedy or sampled answer."""

    candidates: tuple[Candidate, ...]
    """By descending model probability; always includes the chosen token."""
    chosen: int
    """Token id."""
    log_prob: float
    """Model log-probability of the chosen token, in nats."""
    open: int
    """Number of tokens with a sampling probability above 0."""


@dataclass(frozen=True)
class Branch:
    """Beam extended by one token."""

    parent: int
    """Index among the branches of the previous step; -1 in the first step."""
    token: int
    log_prob: float
    """Model log-probability of the answer so far, in nats."""
    score: float
    """Sort key of branches: `log_prob` with the repetition penalty."""
    fate: BranchStatus
    rank: float | None = None
    """If "finished": score / length ** length penalty, the sort key of answers."""


@dataclass(frozen=True)
class Decoded:
    """One answer."""

    ids: tuple[int, ...]
    """Generated token ids, including an end token."""
    text: str | None
    """Text before the end token and the first stop string; None without `detokenize`."""
    end: Literal["stop", "length"]
    log_prob: float
    """Model log-probability of all `ids`, in nats."""
    steps: tuple[Step, ...] = ()
    """One per token; empty with beam search."""
    path: tuple[int, ...] = ()
    """Beam search: per token, its index among the branches of that step."""
    rank: float | None = None
    """Beam search: sort key of answers, higher first."""


@dataclass(frozen=True)
class Trace:
    """All answers to one prompt with their steps."""

    decoding: Decoding
    answers: tuple[Decoded, ...]
    """Best first with beam search, otherwise in sampling order."""
    calls: int
    """Model calls."""
    rows: int
    """Sequences in all model calls."""
    rounds: tuple[tuple[Branch, ...], ...] = ()
    """Beam search: best branches of each step, best first."""
