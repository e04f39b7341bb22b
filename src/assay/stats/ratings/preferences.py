"""Statistics of preference data: length bias, duplicates, rater agreement, label noise and win rates.

Pairs of one prompt are not independent. Intervals are therefore over prompts: each prompt has the mean of its pairs,
and `n` is the number of prompts.
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
    """Lengths of chosen and rejected answers, and accuracy of a classifier by length."""

    chosen: float
    """Mean length, in the unit of the caller."""
    rejected: float
    longer_chosen: Effect | None
    """Fraction of pairs of unequal length in which the longer answer was chosen; None without such pairs."""
    predicts: Effect
    """Accuracy of `rule` over all pairs; equal lengths count half."""
    rule: Literal["longer", "shorter"]
    """The more accurate rule: always the longer, or always the shorter answer."""


def length_statistics(
    chosen: Sequence[float], rejected: Sequence[float], prompts: Sequence[Hashable]
) -> LengthStatistics:
    """Length statistics from the lengths (n,) of both answers of each pair, and its prompt.

    The rule is selected on the same pairs, so without a length bias its accuracy is slightly above one half; the
    interval is not corrected for the selection.

    Raises:
        ValueError: No pairs, or columns of different lengths.
    """
    first, second = _column(chosen), _column(rejected)
    if not len(first) or not len(first) == len(second) == len(prompts):
        raise ValueError(
            f"Expected n >= 1 chosen, rejected and prompts, had {len(first)}, {len(second)}, {len(prompts)}."
        )
    right = (first > second) + 0.5 * (first == second)
    unequal = np.flatnonzero(first != second).tolist()
    longer = by_prompt((first > second)[unequal].tolist(), [prompts[row] for row in unequal]) if len(unequal) else None
    rule: Literal["longer", "shorter"] = "longer" if by_prompt(right.tolist(), prompts).estimate >= 0.5 else "shorter"
    predicts = by_prompt((right if rule == "longer" else 1 - right).tolist(), prompts)
    return LengthStatistics(float(first.mean()), float(second.mean()), longer, predicts, rule)


@dataclass(frozen=True)
class Duplication:
    """Counts of duplicates."""

    prompts: int
    """Number of unique prompts."""
    most: int
    """Maximum number of pairs per prompt."""
    repeated: int
    """Pairs with the prompt, chosen and rejected answer of an earlier pair."""
    turned: int
    """Pairs that also occur with chosen and rejected swapped (contradictions), counted on both sides."""


def duplication(pairs: Sequence[tuple[Hashable, Hashable, Hashable]]) -> Duplication:
    """Count duplicates and contradictions among (prompt, chosen, rejected)."""
    counts = Counter(pairs)
    prompts = Counter(prompt for prompt, _, _ in pairs)
    turned = sum(
        times
        for (prompt, chosen, rejected), times in counts.items()
        if chosen != rejected and (prompt, rejected, chosen) in counts
    )
    return Duplication(len(prompts), max(prompts.values(), default=0), len(pairs) - len(counts), turned)


@dataclass(frozen=True)
class LabelNoise:
    """Accuracy of raters, estimated from the agreement of two."""

    right: float
    """Accuracy of each rater, 1/2 to 1."""
    low: float | None
    high: float | None
    agreed_wrong: float
    """Error rate of the pairs on which both agree."""


def label_noise(agreement: Effect) -> LabelNoise | None:
    """Accuracy p of two equally accurate raters with independent errors, from their agreement rate a.

    They agree if both are right or both are wrong: a = p^2 + (1 - p)^2, so p = (1 + sqrt(2 a - 1)) / 2, the root above
    one half. None below a = 1/2, the agreement of random raters, where no such p exists. Limits of the interval below
    1/2 are clipped to 1/2.

    If errors are correlated (two judges of one family, one judge in both orders), this is a lower bound of the noise.

    Source: the two-rater, two-label, symmetric case of Dawid and Skene 1979, "Maximum likelihood estimation of observer
    error-rates using the EM algorithm", Applied Statistics 28, section 2.
    """
    if agreement.estimate < 0.5:
        return None
    right = _rater_accuracy(agreement.estimate)
    low, high = (None if end is None else _rater_accuracy(max(end, 0.5)) for end in (agreement.low, agreement.high))
    return LabelNoise(right, low, high, (1 - right) ** 2 / agreement.estimate)


def _rater_accuracy(agreement: float) -> float:
    return (1 + math.sqrt(max(0.0, 2 * agreement - 1))) / 2


@dataclass(frozen=True)
class RaterAgreement:
    """Agreement of two raters."""

    one: str
    other: str
    pairs: int
    """Pairs that both rated, including ties."""
    same: Effect
    """Fraction of pairs with equal ratings: first, second or tie."""
    kappa: float | None
    """Cohen's kappa of the three ratings; None if all ratings are equal."""
    decided: Effect | None
    """Fraction with the same preference among pairs that neither rated a tie; None without such pairs."""
    noise: LabelNoise | None
    """From `decided`; None if that is None or below one half."""


def agreements(ratings: Mapping[str, Sequence[Side | None]], prompts: Sequence[Hashable]) -> list[RaterAgreement]:
    """Agreement of every two raters, from the ratings of n pairs by each rater; None is a missing rating.

    The order of answers must be independent of the preference, otherwise random raters agree too.

    Raises:
        ValueError: A column does not have one value per pair.
    """
    if any(len(column) != len(prompts) for column in ratings.values()):
        raise ValueError(f"Every rater must have {len(prompts)} ratings, one per pair.")
    result = []
    for first, second in combinations(ratings, 2):
        both = list(zip(ratings[first], ratings[second], strict=True))
        rows = [nth for nth, pair in enumerate(both) if None not in pair]
        if rows:
            result.append(_agreement(first, second, [both[n] for n in rows], [prompts[n] for n in rows]))
    return result


def _agreement(
    first: str, second: str, both: Sequence[tuple[Side | None, Side | None]], prompts: Sequence[Hashable]
) -> RaterAgreement:
    same = by_prompt([a == b for a, b in both], prompts)
    rows = [nth for nth, pair in enumerate(both) if "tie" not in pair]
    decided = by_prompt([both[n][0] == both[n][1] for n in rows], [prompts[n] for n in rows]) if rows else None
    return RaterAgreement(
        first, second, len(both), same, _kappa(both), decided, label_noise(decided) if decided else None
    )


def _kappa(both: Sequence[tuple[Side | None, Side | None]]) -> float | None:
    """Cohen's kappa without an interval, as that of `agreement.cohen_kappa` assumes independent pairs."""
    from sklearn.metrics import cohen_kappa_score

    ours, theirs = zip(*both, strict=True)
    return float(cohen_kappa_score(ours, theirs)) if len({*ours, *theirs}) > 1 else None


def krippendorff_alpha(ratings: Sequence[Sequence[Hashable | None]]) -> float | None:
    """Krippendorff's alpha of nominal labels (raters, items); None is a missing label.

    1 is perfect agreement, 0 is the agreement expected by chance. None if no item has two labels, or all labels are
    equal (0 / 0).

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C (any number of observers, nominal
    data, missing values).
    """
    items = [[label for label in item if label is not None] for item in zip(*ratings, strict=True)]
    paired = [item for item in items if len(item) > 1]
    totals = Counter(label for item in paired for label in item)
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if not expected:
        return None
    observed = sum((len(item) ** 2 - sum(c * c for c in Counter(item).values())) / (len(item) - 1) for item in paired)
    return 1 - (n - 1) * observed / expected


@dataclass(frozen=True)
class WinRecord:
    """Wins, losses and ties of one model."""

    name: str
    won: int
    lost: int
    tied: int
    rate: Effect
    """Win rate, ties half."""


def win_records(
    first: Sequence[str], second: Sequence[str], outcomes: Sequence[float], prompts: Sequence[Hashable]
) -> list[WinRecord]:
    """Win records by decreasing win rate, from names and outcomes of n pairs: 1 (the first won), 1/2 or 0.

    Pairs of two equal names are skipped.
    """
    rows: dict[str, list[tuple[float, Hashable]]] = {}
    for a, b, outcome, prompt in zip(first, second, outcomes, prompts, strict=True):
        if a != b:
            rows.setdefault(a, []).append((outcome, prompt))
            rows.setdefault(b, []).append((1 - outcome, prompt))
    records = [_record(name, results) for name, results in rows.items()]
    return sorted(records, key=lambda record: (-record.rate.estimate, record.name))


def _record(name: str, results: Sequence[tuple[float, Hashable]]) -> WinRecord:
    values = [value for value, _ in results]
    counts = Counter("won" if value > 0.5 else "lost" if value < 0.5 else "tied" for value in values)
    return WinRecord(
        name, counts["won"], counts["lost"], counts["tied"], by_prompt(values, [prompt for _, prompt in results])
    )


def by_prompt(values: Sequence[float], prompts: Sequence[Hashable]) -> Effect:
    """Mean of `values` (0 to 1, one per pair) with equal weight per prompt, with Wilson's interval.

    Raises:
        ValueError: No values.
    """
    of_prompt: dict[Hashable, list[float]] = {}
    for value, prompt in zip(values, prompts, strict=True):
        of_prompt.setdefault(prompt, []).append(float(value))
    # Not `grouped_proportion`, which weights a prompt by its pairs and corrects for their correlation. Prompts are
    # independent. Rounding must not raise the sum of means above their number.
    total = math.fsum(sum(pair_values) / len(pair_values) for pair_values in of_prompt.values())
    return wilson(min(total, len(of_prompt)), len(of_prompt))


def _column(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
