"""What a proof found, as plain data: the arms, their differences, and what their models answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from assay.analysis.measures import Measure
from assay.core.effect import Effect
from assay.stats.inference.verdict import Verdict, negated, verdict


@dataclass(frozen=True)
class Curve:
    """The training loss of one seed."""

    seed: int
    points: tuple[tuple[int, float], ...]
    """(optimizer step, loss), steps rising. The one place where a number may be infinite or NaN: training diverged."""


@dataclass(frozen=True)
class Arm:
    """One model, or one a seed, and what it learned from."""

    name: str
    """real, unfiltered, filtered, random-subset, permuted-labels, or any other."""
    trained_on: str
    """A sentence."""
    n_samples: int
    steps: int
    """Optimiser steps of each seed."""
    seeds: tuple[int, ...]
    result: Effect
    """What the proof measures, the mean over seeds; `n` counts test items, not items times seeds."""
    seed_results: tuple[float, ...] = ()
    """One for each of `seeds`, in order; drawn as small dots."""
    per_class: tuple[tuple[str, Effect], ...] = ()
    history: tuple[Curve, ...] = ()
    seconds: float | None = None
    """Training, all seeds together."""
    by_name: bool = False
    """Whether its name says how it was trained, such as "dpo", and not what on."""


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same test items.

    Its verdict is read off the interval and, where several pairs are compared, off the p-value that was adjusted for
    all of them.
    """

    ours: str
    theirs: str
    difference: Effect
    """Ours minus theirs, from a paired bootstrap; of shares as a fraction."""
    p: float | None = None
    """Of the difference: McNemar's exact test where each arm was trained once, else the bootstrap's."""
    adjusted_p: float | None = None
    """Holm's, for the family of all comparisons of the run."""
    mcnemar_p: float | None = None
    """Exact, of the first seed of each arm."""
    ours_only: int | None = None
    """Items that only ours got right, first seed of each."""
    theirs_only: int | None = None
    better: Literal["higher", "lower"] = "higher"
    """Which way the measure goes."""

    @property
    def gain(self) -> Effect:
        """The difference, turned so that more is better."""
        return self.difference if self.better == "higher" else negated(self.difference)

    @property
    def verdict(self) -> Verdict:
        return verdict(self.gain, self.adjusted_p)


@dataclass(frozen=True)
class OtherMeasure:
    """What a scorer says of every model's answers to the held-out items."""

    measure: Measure
    arms: tuple[tuple[str, Effect], ...]
    comparisons: tuple[Comparison, ...]
    """The same pairs as of the proof's own measure, adjusted among themselves."""
    unscored: int = 0
    """Answers that have no number."""


@dataclass(frozen=True)
class Duel:
    """One model's answers against another's before a judge, each pair in both orders."""

    ours: str
    theirs: str
    judge: str
    """Its reference."""
    n: int
    """Pairs that both orders say something of."""
    wins: Effect
    """Share of pairs that ours won; ties, equal answers and disagreement of the orders count half."""
    equal_length: Effect | None
    """The same if both answers were equally long; None where that cannot be told."""
    conflicts: float | None
    """Share of pairs with different answers on which the orders disagree; None where all are the same."""
    same: int
    """Pairs whose answers are one and the same."""
    longer: float
    """Mean characters of our answers less theirs."""
    unscored: int

    @property
    def verdict(self) -> Verdict:
        """Of the win rate at equal length where there is one: whether it lies clear of a half."""
        told = self.wins if self.equal_length is None else self.equal_length
        low, high = (None if end is None else end - 0.5 for end in (told.low, told.high))
        return verdict(replace(told, estimate=told.estimate - 0.5, low=low, high=high))


@dataclass(frozen=True)
class Answered:
    """A held-out task, what people answered, and what the models did."""

    id: str
    instruction: str
    given: str
    """What the instruction is about; "" where it needs nothing."""
    reference: str
    answers: tuple[tuple[str, str], ...]
    """(arm, answer of its first training)."""
    before: str = ""
    """What was said before the task."""
