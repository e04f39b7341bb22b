"""How well raters agree, with a gold label or with one another, and whether a judge favors a place."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Weighting: TypeAlias = Literal["none", "linear", "quadratic"]
Correlation: TypeAlias = Literal["pearson", "spearman", "kendall"]
RESAMPLES = 2000
_CELLS = 2_000_000
"""Most numbers held at once while resampling: 16 MB."""


def accuracy(ours: Sequence[Hashable], gold: Sequence[Hashable], level: float = 0.95) -> Effect:
    """The share of n items on which two columns say the same, with Wilson's interval: of a gold label, or of a rater.

    Raises:
        ValueError: The columns differ in length or are empty.
    """
    _same_length(ours, gold)
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
    """Cohen's kappa of two raters of n items: agreement beyond that of raters who say as much, but blindly.

    1 is agreement throughout, 0 what chance gives, below it less. "linear" and "quadratic" count a disagreement by how
    far apart the two labels stand in `labels`, which must be given in order then; without weights it may be left out.
    The interval is a percentile bootstrap over items.

    Raises:
        ValueError: The columns differ in length or are empty, a label is not in `labels`, weights without `labels`, or
            both raters said one and the same thing throughout: kappa is 0 / 0 then.

    Source: Cohen 1960; weighted: Cohen 1968 (linear and quadratic weights as in scikit-learn's
    `cohen_kappa_score`).
    """
    _same_length(ours, theirs)
    check_level(level)
    if weights != "none" and labels is None:
        raise ValueError("Weighted kappa needs the labels in their order.")
    known = list(labels) if labels is not None else sorted({*ours, *theirs}, key=repr)
    strange = [one for one in (*ours, *theirs) if one not in known]
    if strange:
        raise ValueError(f"The label {strange[0]!r} is none of {known}.")
    place = {label: nth for nth, label in enumerate(known)}
    table = np.zeros((len(known), len(known)))
    for a, b in zip(ours, theirs, strict=True):
        table[place[a], place[b]] += 1
    apart = np.abs(np.subtract.outer(np.arange(len(known)), np.arange(len(known)))).astype(np.float64)
    cost = {"none": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]
    estimate = float(_kappas(table[None], cost)[0])
    if np.isnan(estimate):
        raise ValueError("Kappa is not defined where both raters say one and the same thing throughout.")
    n = len(ours)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, table.ravel() / n, size=resamples).reshape(-1, *table.shape)
    name = "kappa" if weights == "none" else f"{weights} kappa"
    return _effect(estimate, _kappas(drawn, cost), n, level, f"{name}, bootstrap over {n} items, {resamples} resamples")


def correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    kind: Correlation = "spearman",
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Effect:
    """Pearson's r, Spearman's rho or Kendall's tau-b of two columns (n,), with a percentile bootstrap over items.

    Ties share their mean rank (rho) and are taken out of the denominator (tau-b), as in scipy. An item that is drawn
    twice is tied with itself; for tau-b on few items that pulls the interval towards 0 a little. Kendall's takes time
    and, in blocks, memory of n squared.

    Raises:
        ValueError: Shapes differ, a value is not finite, or a column is constant, so that nothing can go with it.

    Source: Kendall 1945 (tau-b); Efron and Tibshirani 1993, chapter 13 (percentiles).
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a) or not (np.isfinite(a) & np.isfinite(b)).all():
        raise ValueError(f"A correlation needs two finite columns of one length, had {a.shape} and {b.shape}.")
    check_level(level)
    if (a == a[0]).all() or (b == b[0]).all():
        raise ValueError("A column that is the same throughout goes with nothing: there is no correlation.")
    n, of = len(a), _CORRELATIONS[kind]
    estimate = float(of(a, b, np.ones((1, n)))[0])
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    sizes = [min(block, resamples - done) for done in range(0, resamples, block)]
    draws = [of(a, b, rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)) for size in sizes]
    method = f"{kind}, bootstrap over {n} items, {resamples} resamples"
    return _effect(estimate, np.concatenate(draws), n, level, method)


@dataclass(frozen=True)
class Positions:
    """Whether a judge that saw each pair in both orders looked at the answers or at their places."""

    agreement: Effect
    """Share of pairs on which both orders name the same answer."""
    conflict: Effect
    """Share on which they do not."""
    first_place: Effect
    """Share of all judgments for what was shown first, a tie counting half; 1/2 where places play no part."""
    first_in_conflicts: Effect | None
    """Of the pairs on which the judge named the same place in both orders, the share of the first place; None where
    there are none."""


def positions(as_given: Sequence[int], swapped: Sequence[int], level: float = 0.95) -> Positions:
    """Reads the winners of n pairs in both orders: 1 or 2 as the pair stands originally, 0 for a tie.

    `swapped` is mapped back: 1 means the answer that is first in the original order, and that was shown second. All
    intervals are Wilson's; `n` counts pairs and not judgments, because the two of a pair go together.

    Raises:
        ValueError: Lengths differ, there is no pair, or a winner is none of 0, 1 and 2.

    Source: Wang et al. 2023, "Large language models are not fair evaluators", (conflict rate); Zeng et al. 2024,
    "Evaluating large language models at evaluating instruction following", the LLMBar paper (agreement rate).
    """
    _same_length(as_given, swapped)
    given, turned = np.asarray(as_given), np.asarray(swapped)
    if not np.isin([given, turned], (0, 1, 2)).all():
        raise ValueError("A winner is 1 or 2, or 0 for a tie.")
    n = len(given)
    same = int((given == turned).sum())
    first = (given == 1).sum() + (turned == 2).sum() + ((given == 0).sum() + (turned == 0).sum()) / 2
    first_both, second_both = int(((given == 1) & (turned == 2)).sum()), int(((given == 2) & (turned == 1)).sum())
    stuck = first_both + second_both
    return Positions(
        agreement=wilson(same, n, level),
        conflict=wilson(n - same, n, level),
        first_place=wilson(float(first) / 2, n, level),
        first_in_conflicts=wilson(first_both, stuck, level) if stuck else None,
    )


def _kappas(tables: npt.NDArray[np.generic], cost: Floats) -> Floats:
    """(r, labels, labels) of counts to (r,); nan where it is 0 / 0."""
    seen = np.asarray(tables, dtype=np.float64)
    n = seen.sum(axis=(1, 2))
    blind = np.einsum("ri,rj,ij->r", seen.sum(axis=2), seen.sum(axis=1), cost) / n
    with np.errstate(invalid="ignore"):
        found: Floats = 1 - np.einsum("rij,ij->r", seen, cost) / blind
    return found


def _pearson(a: Floats, b: Floats, counts: Floats) -> Floats:
    """(r,): of items that come `counts` (r, n) times each; a and b are (n,) or (r, n)."""
    n = counts.sum(axis=1, keepdims=True)
    u, v = a - (counts * a).sum(axis=1, keepdims=True) / n, b - (counts * b).sum(axis=1, keepdims=True) / n
    spread = (counts * u**2).sum(axis=1) * (counts * v**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (counts * u * v).sum(axis=1) / np.sqrt(spread)
    return np.clip(found, -1, 1)


def _spearman(a: Floats, b: Floats, counts: Floats) -> Floats:
    return _pearson(_ranks(a, counts), _ranks(b, counts), counts)


def _kendall(a: Floats, b: Floats, counts: Floats) -> Floats:
    n, block = counts.shape[1], max(1, _CELLS // counts.shape[1])
    concordant = np.zeros(len(counts))
    for start in range(0, n, block):
        part = slice(start, start + block)
        signs = np.sign(a[part, None] - a) * np.sign(b[part, None] - b)
        concordant += ((counts[:, part] @ signs) * counts).sum(axis=1)
    pairs = [counts.sum(axis=1) ** 2 - (_group_sums(column, counts)[0] ** 2).sum(axis=1) for column in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = concordant / np.sqrt(pairs[0] * pairs[1])
    return np.clip(found, -1, 1)


def _ranks(column: Floats, counts: Floats) -> Floats:
    """(r, n): the mean rank of each item's value among items that come `counts` times."""
    sums, group = _group_sums(column, counts)
    middle = np.cumsum(sums, axis=1) - (sums - 1) / 2
    return middle[:, group]


def _group_sums(column: Floats, counts: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """(r, values): how often each different value comes, from the smallest; and (n,) which of them an item has."""
    _, group = np.unique(column, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.add.reduceat(counts[:, order], starts, axis=1), group


_CORRELATIONS: dict[Correlation, Callable[[Floats, Floats, Floats], Floats]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "kendall": _kendall,
}


def _effect(estimate: float, draws: Floats, n: int, level: float, method: str) -> Effect:
    """Percentiles of the draws that are defined."""
    defined = draws[~np.isnan(draws)]
    if n < 2 or not len(defined):
        return Effect(estimate, None, None, n, level, method)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, float(low), float(high), n, level, method)


def _same_length(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> None:
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(f"Two raters must have rated the same items, had {len(ours)} and {len(theirs)}.")
