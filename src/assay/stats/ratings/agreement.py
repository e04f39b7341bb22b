"""Agreement of raters: accuracy, Cohen's kappa, correlations, position consistency and self-preference of judges."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.intervals import check_level, wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Weighting: TypeAlias = Literal["none", "linear", "quadratic"]
Correlation: TypeAlias = Literal["pearson", "spearman", "kendall"]
RESAMPLES = 2000
_CELLS = 2_000_000
"""Maximum number of floats per block of resamples: 16 MB."""


def accuracy(ours: Sequence[Hashable], gold: Sequence[Hashable], level: float = 0.95) -> Effect:
    """Fraction of n items on which two columns agree, with Wilson's interval.

    Raises:
        ValueError: Different lengths, or no items.
    """
    _check_same_length(ours, gold)
    return wilson(sum(a == b for a, b in zip(ours, gold, strict=True)), len(gold), level)


def cohen_kappa(
    ours: Sequence[Hashable],
    theirs: Sequence[Hashable],
    *,
    labels: Sequence[Hashable] | None = None,
    weights: Weighting = "none",
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Effect:
    """Cohen's kappa of two raters of n items, by scikit-learn, with a percentile bootstrap over items.

    1 is perfect agreement, 0 is the agreement expected by chance. "linear" and "quadratic" weigh a disagreement by the
    distance of the two labels in `labels`, which is then required. scikit-learn takes one table at a time, so the
    resamples are computed together by `_kappas`.

    Raises:
        ValueError: The columns differ in length or are empty, a label is not in `labels`, weights without `labels`, or
            all labels are equal (0 / 0).

    Source: Cohen 1960; weighted: Cohen 1968.
    """
    from sklearn.metrics import cohen_kappa_score

    _check_same_length(ours, theirs)
    check_level(level)
    if weights != "none" and labels is None:
        raise ValueError("Weighted kappa needs ordered `labels`.")
    categories = list(labels) if labels is not None else sorted({*ours, *theirs}, key=repr)
    if unknown := [label for label in (*ours, *theirs) if label not in categories]:
        raise ValueError(f"Label {unknown[0]!r} is not one of {categories}.")
    index = {label: nth for nth, label in enumerate(categories)}
    first, second = [index[label] for label in ours], [index[label] for label in theirs]
    if len({*first, *second}) == 1:
        raise ValueError("Kappa is not defined if all labels are equal.")
    n, size = len(ours), len(categories)
    weighting = None if weights == "none" else weights
    estimate = float(cohen_kappa_score(first, second, labels=range(size), weights=weighting))
    table = np.zeros((size, size))
    np.add.at(table, (first, second), 1)
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
    cost = {"none": (distance > 0).astype(np.float64), "linear": distance, "quadratic": distance**2}[weights]
    rng = np.random.default_rng(seed)
    tables = rng.multinomial(n, table.ravel() / n, size=resamples).reshape(-1, *table.shape)
    name = "kappa" if weights == "none" else f"{weights} kappa"
    return _effect(
        estimate, _kappas(tables, cost), n, level, f"{name}, bootstrap over {n} items, {resamples} resamples"
    )


def correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    kind: Correlation = "spearman",
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Effect:
    """Pearson's r, Spearman's rho or Kendall's tau-b of two columns (n,), by scipy, with a bootstrap over items.

    The interval is the percentile bootstrap. An item that is drawn twice is tied with itself, which biases the
    interval of tau-b slightly towards 0 for few items.

    Raises:
        ValueError: Shapes differ, a value is not finite, or a column is constant.

    Source: Kendall 1945 (tau-b); Efron and Tibshirani 1993, chapter 13 (percentiles).
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a) or not (np.isfinite(a) & np.isfinite(b)).all():
        raise ValueError(f"Expected two finite columns (n,), had {a.shape} and {b.shape}.")
    check_level(level)
    if (a == a[0]).all() or (b == b[0]).all():
        raise ValueError("The correlation with a constant column is not defined.")
    n, coefficients = len(a), _CORRELATIONS[kind]
    estimate = float(coefficients(a[None], b[None])[0])
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    draws = []
    for start in range(0, resamples, block):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(block, resamples - start))
        items = np.repeat(np.tile(np.arange(n), len(counts)), counts.ravel()).reshape(-1, n)
        draws.append(coefficients(a[items], b[items]))
    method = f"{kind}, bootstrap over {n} items, {resamples} resamples"
    return _effect(estimate, np.concatenate(draws), n, level, method)


@dataclass(frozen=True)
class JudgePositionConsistency:
    """Position consistency of a judge that saw each pair in both orders."""

    agreement: Effect
    """Fraction of pairs with the same winner in both orders."""
    conflict: Effect
    """Fraction of pairs with different winners (position inconsistency)."""
    first_place: Effect
    """Fraction of judgments for the first position, ties half; 1/2 without position bias."""
    first_in_conflicts: Effect | None
    """Fraction of first positions among pairs with the same winning position in both orders; None without such
    pairs."""


def position_consistency(
    as_given: Sequence[int], swapped: Sequence[int], level: float = 0.95
) -> JudgePositionConsistency:
    """Position consistency from the winners of n pairs in both orders: 1 or 2 in the original order, 0 for a tie.

    `swapped` is mapped back: 1 is the answer that is first in the original order. Intervals are Wilson's; `n` counts
    pairs, not judgments.

    Raises:
        ValueError: Different lengths, no pairs, or a winner other than 0, 1 and 2.

    Source: Wang et al. 2023, "Large language models are not fair evaluators", (conflict rate); Zeng et al. 2024,
    "Evaluating large language models at evaluating instruction following", the LLMBar paper (agreement rate).
    """
    _check_same_length(as_given, swapped)
    original, reversed_ = np.asarray(as_given), np.asarray(swapped)
    if not np.isin([original, reversed_], (0, 1, 2)).all():
        raise ValueError("A winner must be 1 or 2, or 0 for a tie.")
    n = len(original)
    same = int((original == reversed_).sum())
    first = (original == 1).sum() + (reversed_ == 2).sum() + ((original == 0).sum() + (reversed_ == 0).sum()) / 2
    first_both, second_both = (
        int(((original == 1) & (reversed_ == 2)).sum()),
        int(((original == 2) & (reversed_ == 1)).sum()),
    )
    conflicts = first_both + second_both
    return JudgePositionConsistency(
        agreement=wilson(same, n, level),
        conflict=wilson(n - same, n, level),
        first_place=wilson(float(first) / 2, n, level),
        first_in_conflicts=wilson(first_both, conflicts, level) if conflicts else None,
    )


def _kappas(tables: npt.NDArray[np.generic], cost: Floats) -> Floats:
    """Kappa (r,) of tables (r, labels, labels) of counts; NaN for 0 / 0."""
    counts = np.asarray(tables, dtype=np.float64)
    n = counts.sum(axis=(1, 2))
    expected = np.einsum("ri,rj,ij->r", counts.sum(axis=2), counts.sum(axis=1), cost) / n
    with np.errstate(invalid="ignore"):
        kappas: Floats = 1 - np.einsum("rij,ij->r", counts, cost) / expected
    return kappas


def _pearson(a: Floats, b: Floats) -> Floats:
    """Correlation (r,) of the rows of two arrays (r, n); NaN for constant rows."""
    from scipy.stats import pearsonr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample may be constant
        statistic: Floats = pearsonr(a, b, axis=1).statistic
    return statistic


def _spearman(a: Floats, b: Floats) -> Floats:
    from scipy.stats import rankdata

    return _pearson(rankdata(a, axis=1), rankdata(b, axis=1))


def _kendall(a: Floats, b: Floats) -> Floats:
    from scipy.stats import kendalltau

    return np.array([kendalltau(*rows).statistic for rows in zip(a, b, strict=True)])


_CORRELATIONS: dict[Correlation, Callable[[Floats, Floats], Floats]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "kendall": _kendall,
}


def _effect(estimate: float, draws: Floats, n: int, level: float, method: str) -> Effect:
    """Percentile interval over the draws that are not NaN."""
    defined = draws[~np.isnan(draws)]
    if n < 2 or not len(defined):
        return Effect(estimate, None, None, n, level, method)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, float(low), float(high), n, level, method)


def _check_same_length(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> None:
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(f"Expected n >= 1 labels of each rater, had {len(ours)} and {len(theirs)}.")


@dataclass(frozen=True)
class SelfPreference:
    """Self-preference of one judge, on pairs with exactly one answer by its model family."""

    own: Effect
    """Win rate of its family by this judge."""
    others: Effect
    """Win rate of the same answers by the other judges."""
    difference: Effect
    """Own minus others; above 0 if the judge favors its family."""
    neutral: int
    """Pairs that were also judged by a judge of neither family. For other pairs the difference includes the
    self-preference of the rival's judge."""

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference is above 0."""
        return self.difference.low is not None and self.difference.low > 0


def self_preference(
    worth: npt.ArrayLike, judges: Sequence[str], families: Sequence[tuple[str, str]], *, seed: int = 0
) -> list[SelfPreference | None]:
    """Self-preference of each judge; None without pairs that have its family on one side and another family's judge.

    `worth` is (judges, pairs): 1 if the first answer won, 0 if the second, 1/2 for a tie, nan without a verdict.
    `judges` are their families, `families` those of both answers of each pair. If judges of neither family judged a
    pair, only those are the other judges. The interval is a paired bootstrap over pairs.

    A better family is not bias: other judges prefer it too, so the difference removes it.

    Raises:
        ValueError: Shapes do not match.

    Source: Zheng et al. 2023, "Judging LLM-as-a-judge", section 3.3 (self-enhancement bias); Panickssery et al. 2024,
    "LLM evaluators recognize and favor their own generations". The difference with an interval is ours.
    """
    values = np.asarray(worth, dtype=np.float64)
    if values.shape != (len(judges), len(families)):
        raise ValueError(f"Verdicts must be {(len(judges), len(families))}, judges by pairs, were {values.shape}.")
    return [_of_judge(values, judges, families, nth, seed) for nth in range(len(judges))]


def _of_judge(
    values: npt.NDArray[np.float64], judges: Sequence[str], families: Sequence[tuple[str, str]], nth: int, seed: int
) -> SelfPreference | None:
    mine, theirs, neutral = [], [], 0
    for pair, sides in enumerate(families):
        if (sides[0] == judges[nth]) == (sides[1] == judges[nth]) or np.isnan(values[nth, pair]):
            continue
        others = [row for row, judge in enumerate(judges) if judge != judges[nth] and not np.isnan(values[row, pair])]
        neutral_rows = [row for row in others if judges[row] not in sides]
        if not others:
            continue
        neutral += bool(neutral_rows)
        both = [float(values[nth, pair]), float(values[neutral_rows or others, pair].mean())]
        # Score of the judge's own family in either position.
        mine.append(both[0] if sides[0] == judges[nth] else 1 - both[0])
        theirs.append(both[1] if sides[0] == judges[nth] else 1 - both[1])
    if not mine:
        return None
    return SelfPreference(
        wilson(sum(mine), len(mine)),
        wilson(sum(theirs), len(theirs)),
        paired_bootstrap(mine, theirs, seed=seed).effect,
        neutral,
    )
