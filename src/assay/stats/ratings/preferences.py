"""What preference data are like before anything learns from them: length, duplicates, raters, noise, who wins.

Several pairs of one prompt are no independent witnesses. So where there is an interval, each prompt counts as one,
with the mean of its pairs, and `n` is the number of prompts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.intervals import wilson

Side: TypeAlias = Literal["first", "second", "tie"]


@dataclass(frozen=True)
class LengthStatistics:
    """How long chosen and rejected answers are, and whether length alone tells which is which."""

    chosen: float
    """Mean; the unit is the caller's."""
    rejected: float
    longer_chosen: Effect | None
    """Of the pairs of unequal length, the share in which the longer one was chosen; None where there are none."""
    predicts: Effect
    """Share of all pairs in which one rule that looks at length alone is right; equal lengths count half."""
    rule: Literal["longer", "shorter"]
    """Which of the two rules does better: always the longer answer, or always the shorter one."""


def length_statistics(
    chosen: Sequence[float], rejected: Sequence[float], prompts: Sequence[Hashable]
) -> LengthStatistics:
    """How length goes with being chosen; (n,) lengths of both answers of each pair, and its prompt.

    The rule is the better one of two on these very pairs, so where length means nothing its share lies a little above
    one half: the interval of one rule is not corrected for that choice.

    Raises:
        ValueError: There is no pair, or the columns differ in length.
    """
    one, two = _column(chosen), _column(rejected)
    if not len(one) or not len(one) == len(two) == len(prompts):
        raise ValueError(
            f"Lengths need as many chosen as rejected and prompts, had {len(one)}, {len(two)}, {len(prompts)}."
        )
    right = (one > two) + 0.5 * (one == two)
    apart = np.flatnonzero(one != two).tolist()
    longer = by_prompt((one > two)[apart].tolist(), [prompts[row] for row in apart]) if len(apart) else None
    rule: Literal["longer", "shorter"] = "longer" if by_prompt(right.tolist(), prompts).estimate >= 0.5 else "shorter"
    found = by_prompt((right if rule == "longer" else 1 - right).tolist(), prompts)
    return LengthStatistics(float(one.mean()), float(two.mean()), longer, found, rule)


@dataclass(frozen=True)
class Duplication:
    """What comes more than once."""

    prompts: int
    """Different ones."""
    most: int
    """Pairs of the prompt that has the most."""
    repeated: int
    """Pairs that are the same as one before them: prompt, chosen and rejected."""
    turned: int
    """Pairs that stand there the other way round too: of both, each counts. They contradict each other."""


def duplication(pairs: Sequence[tuple[Hashable, Hashable, Hashable]]) -> Duplication:
    """Of (prompt, chosen, rejected) of each pair, as they are compared."""
    counts = Counter(pairs)
    prompts = Counter(prompt for prompt, _, _ in pairs)
    turned = sum(times for (prompt, one, two), times in counts.items() if one != two and (prompt, two, one) in counts)
    return Duplication(len(prompts), max(prompts.values(), default=0), len(pairs) - len(counts), turned)


@dataclass(frozen=True)
class LabelNoise:
    """How often a rater is wrong, estimated from how often two of them disagree."""

    right: float
    """Share of pairs that each rater labels rightly, 1/2 to 1."""
    low: float | None
    high: float | None
    agreed_wrong: float
    """Share of the pairs on which both agree and are wrong: what stays in data where both had to agree."""


def label_noise(agreement: Effect) -> LabelNoise | None:
    """The accuracy p of two equally good raters who err independently, from the share a on which they agree.

    They agree where both are right or both are wrong: a = p^2 + (1 - p)^2, so p = (1 + sqrt(2 a - 1)) / 2, taking the
    root above one half: raters who know nothing have p = 1/2. None below a = 1/2, where no such p exists: they disagree
    more than blind ones would, so they want different things. An end of the interval below 1/2 counts as 1/2.

    It stands and falls with independence. Raters who share a mistake (two judges of one family, one judge asked twice
    in two orders) agree on it, and then this is the least noise that there can be.

    Source: the two-rater, two-label, symmetric case of Dawid and Skene 1979, "Maximum likelihood estimation of observer
    error-rates using the EM algorithm", Applied Statistics 28, section 2.
    """
    if agreement.estimate < 0.5:
        return None
    right = _right(agreement.estimate)
    low, high = (None if end is None else _right(max(end, 0.5)) for end in (agreement.low, agreement.high))
    return LabelNoise(right, low, high, (1 - right) ** 2 / agreement.estimate)


def _right(agreement: float) -> float:
    return (1 + math.sqrt(max(0.0, 2 * agreement - 1))) / 2


@dataclass(frozen=True)
class RaterAgreement:
    """Two raters of the same pairs."""

    one: str
    other: str
    pairs: int
    """Of which both say something, a tie among it."""
    same: Effect
    """Share on which they say the same: first, second or tie."""
    kappa: float | None
    """Cohen's, over the three; None where both say one and the same thing throughout."""
    decided: Effect | None
    """Share on which they prefer the same answer, of those pairs on which neither says tie; None where there are
    none."""
    noise: LabelNoise | None
    """From `decided`; None where it is below one half, or there is none."""


def agreements(said: Mapping[str, Sequence[Side | None]], prompts: Sequence[Hashable]) -> list[RaterAgreement]:
    """Every two of several raters: what each says of each of n pairs, None where nothing.

    Which answer is the first must have nothing to do with which was chosen, else blind raters agree too.

    Raises:
        ValueError: A column has not one value for each pair.
    """
    if any(len(column) != len(prompts) for column in said.values()):
        raise ValueError("Every rater must have one value, or None, for each pair.")
    found = []
    for one, other in combinations(said, 2):
        rows = [nth for nth in range(len(prompts)) if said[one][nth] is not None and said[other][nth] is not None]
        if rows:
            found.append(
                _agreement(one, other, [(said[one][n], said[other][n]) for n in rows], [prompts[n] for n in rows])
            )
    return found


def _agreement(
    one: str, other: str, both: Sequence[tuple[Side | None, Side | None]], prompts: Sequence[Hashable]
) -> RaterAgreement:
    same = by_prompt([a == b for a, b in both], prompts)
    sure = [nth for nth, pair in enumerate(both) if "tie" not in pair]
    decided = by_prompt([both[n][0] == both[n][1] for n in sure], [prompts[n] for n in sure]) if sure else None
    return RaterAgreement(one, other, len(both), same, _kappa(both), decided, label_noise(decided) if decided else None)


def _kappa(both: Sequence[tuple[Side | None, Side | None]]) -> float | None:
    """Cohen's kappa without an interval: that of `agreement.cohen_kappa` assumes independent pairs. None for 0 / 0."""
    from sklearn.metrics import cohen_kappa_score

    ours, theirs = zip(*both, strict=True)
    return float(cohen_kappa_score(ours, theirs)) if len({*ours, *theirs}) > 1 else None


def krippendorff_alpha(said: Sequence[Sequence[Hashable | None]]) -> float | None:
    """Krippendorff's alpha of nominal labels: (raters, items), None where a rater says nothing of an item.

    1 is agreement throughout, 0 what chance gives. None where no item has two labels, or all labels are the same: it is
    0 / 0 then.

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C (any number of observers, nominal
    data, missing values).
    """
    items = [[label for label in item if label is not None] for item in zip(*said, strict=True)]
    paired = [item for item in items if len(item) > 1]
    totals = Counter(label for item in paired for label in item)
    n = totals.total()
    blind = n * n - sum(count * count for count in totals.values())
    if not blind:
        return None
    apart = sum((len(item) ** 2 - sum(c * c for c in Counter(item).values())) / (len(item) - 1) for item in paired)
    return 1 - (n - 1) * apart / blind


@dataclass(frozen=True)
class WinRecord:
    """How one answerer fared against the others."""

    name: str
    won: int
    lost: int
    tied: int
    rate: Effect
    """Share won, a tie half."""


def win_records(
    first: Sequence[str], second: Sequence[str], outcomes: Sequence[float], prompts: Sequence[Hashable]
) -> list[WinRecord]:
    """Everyone's record, the best first, of n pairs: two names, and 1 (the first won), 1/2 or 0 of each.

    Pairs of one and the same name say nothing and are left out.
    """
    rows: dict[str, list[tuple[float, Hashable]]] = {}
    for one, other, outcome, prompt in zip(first, second, outcomes, prompts, strict=True):
        if one != other:
            rows.setdefault(one, []).append((outcome, prompt))
            rows.setdefault(other, []).append((1 - outcome, prompt))
    found = [_record(name, own) for name, own in rows.items()]
    return sorted(found, key=lambda one: (-one.rate.estimate, one.name))


def _record(name: str, own: Sequence[tuple[float, Hashable]]) -> WinRecord:
    values = [value for value, _ in own]
    counts = Counter("won" if value > 0.5 else "lost" if value < 0.5 else "tied" for value in values)
    return WinRecord(
        name, counts["won"], counts["lost"], counts["tied"], by_prompt(values, [prompt for _, prompt in own])
    )


def by_prompt(values: Sequence[float], prompts: Sequence[Hashable]) -> Effect:
    """The share that `values` (0 to 1, one a pair) come to, each prompt weighing the same, with Wilson's interval.

    Raises:
        ValueError: There is no value.
    """
    own: dict[Hashable, list[float]] = {}
    for value, prompt in zip(values, prompts, strict=True):
        own.setdefault(prompt, []).append(float(value))
    # No `grouped_share`: that is a mean over items, where a prompt weighs by its pairs, with an interval that makes up
    # for their being alike. Here prompts are what is counted, however many pairs each has, so they are independent.
    # Rounding must not lift a sum of means above their number.
    return wilson(min(math.fsum(sum(some) / len(some) for some in own.values()), len(own)), len(own))


def _column(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
