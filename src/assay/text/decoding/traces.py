"""What decoding did, step by step: enough to draw it and to check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from assay.core.decoding import Decoding

Fate: TypeAlias = Literal["live", "finished", "dropped"]
"""What became of a continuation: one of the beams of the next step; an answer; or neither, as too improbable."""


@dataclass(frozen=True)
class Candidate:
    """A token that might have come next."""

    token: int
    probability: float
    """By the model itself: temperature 1, no penalty, nothing cut."""
    chance: float
    """Of being chosen, after penalty, temperature and cuts; 0 where cut. With greedy 1 for one token."""


@dataclass(frozen=True)
class Step:
    """One token of a greedy or sampled answer."""

    candidates: tuple[Candidate, ...]
    """By the model's probability, the most probable first; the one chosen is always among them."""
    chosen: int
    """Token id."""
    log_prob: float
    """Of the one chosen, by the model itself, in nats."""
    open: int
    """Tokens with a chance above 0."""


@dataclass(frozen=True)
class Branch:
    """A beam gone on by one token."""

    parent: int
    """Its place among the branches of the step before; -1 in the first step, from the prompt."""
    token: int
    log_prob: float
    """Of the whole answer so far, by the model itself, in nats."""
    score: float
    """What branches of a step are ordered by: `log_prob`, but penalized for repeats."""
    fate: Fate
    rank: float | None = None
    """With "finished": score / length ** length penalty, what answers are ordered by."""


@dataclass(frozen=True)
class Decoded:
    """One answer."""

    ids: tuple[int, ...]
    """Generated ones, with the end token if it came."""
    text: str | None
    """Before the end token and the first stop string; None where nothing detokenizes."""
    end: Literal["stop", "length"]
    log_prob: float
    """Of all `ids` together, by the model itself, in nats."""
    steps: tuple[Step, ...] = ()
    """One a token; empty with beam search."""
    path: tuple[int, ...] = ()
    """With beam search: one a token, its place among the branches of that step."""
    rank: float | None = None
    """With beam search: what answers are ordered by, higher first."""


@dataclass(frozen=True)
class Trace:
    """All answers to one prompt, and how they came about."""

    decoding: Decoding
    answers: tuple[Decoded, ...]
    """The best one, or the one drawn first, first."""
    calls: int
    """Of the model."""
    rows: int
    """Sequences that it was given in all calls together."""
    rounds: tuple[tuple[Branch, ...], ...] = ()
    """With beam search: the most probable branches of each step, the best first."""
