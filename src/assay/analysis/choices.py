"""What each score alone would keep, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from assay.core.effect import Effect
from assay.stats.distributions.selection import SelectionOverlap


@dataclass(frozen=True)
class ChoiceOf:
    """What one score would keep: its best, as many as the filters kept."""

    name: str
    better: Literal["higher", "lower"]
    kept: int
    """Fewer than the filters kept where fewer have a score, or lie within the line that a filter draws."""
    beyond: int
    """Samples beyond a line that a filter draws on the score's good end: no choice of this score."""
    tied: int
    """Samples with the value of the last one chosen."""
    tied_kept: int
    filters: SelectionOverlap | None
    """What it shares with the filters' choice."""
    words: float | None
    """Mean number of words of what it would keep; None where samples are no texts."""


@dataclass(frozen=True)
class Agree:
    """Two scores beside each other."""

    ours: str
    theirs: str
    shared: SelectionOverlap | None
    """Of what each would keep; None where one would keep nothing."""
    rho: Effect | None
    """Spearman's correlation of all their values, each turned so that more is better; None where one does not vary."""


@dataclass(frozen=True)
class Choices:
    """What two scores or more would keep, each alone."""

    samples: int
    kept: int
    """By the filters: so many are chosen by each."""
    scores: tuple[ChoiceOf, ...]
    pairs: tuple[Agree, ...]
    words: float | None = None
    """Mean number of words of all samples."""
    words_kept: float | None = None
    """Of what the filters kept."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Score to why it chooses nothing."""
