"""Leaderboards: ratings of models with confidence intervals and rank ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import ndtri

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level
from assay.stats.ratings.rating_models import (
    SCALE,
    START,
    BradleyTerry,
    BradleyTerryLikelihood,
    K,
    Ties,
    elo,
    elo_by_order,
    fit,
    inverse,
)
from assay.stats.ratings.votes import NAMED, Cells, Floats, PairwiseVotes, cells

CovarianceMethod: TypeAlias = Literal["bootstrap", "sandwich", "fisher"]
ELO_UNIT = SCALE / math.log(10)
"""Elo points per unit of log-strength."""
WEAK_PRIOR = 0.01
"""Precision of the prior for resamples in which a model never lost or never won."""
BLOCK = 200


@dataclass(frozen=True)
class Intervals:
    """Method and level of the confidence intervals of ratings."""

    kind: CovarianceMethod = "bootstrap"
    """Bootstrap over votes, or a normal approximation: "sandwich" (robust) or "fisher" (assumes the model)."""
    resamples: int = 1000
    seed: int = 0
    level: float = 0.95


@dataclass(frozen=True)
class RatingScale:
    """Origin of ratings: mean `mean` over all models, or the model `anchor` at `at`."""

    mean: float = 1000.0
    anchor: str | None = None
    at: float = 1000.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean) or not math.isfinite(self.at):
            raise ValueError(f"mean and at must be finite, were {self.mean:g} and {self.at:g}.")

    def place(self, models: tuple[str, ...], log_strengths: Floats) -> Floats:
        """Ratings of log-strengths (..., m)."""
        if self.anchor is not None and self.anchor not in models:
            raise ValueError(f"anchor: {self.anchor!r} is not one of the models {', '.join(models[:NAMED])}.")
        middle = log_strengths.mean(axis=-1, keepdims=True)
        origin = middle if self.anchor is None else log_strengths[..., [models.index(self.anchor)]]
        ratings: Floats = (self.mean if self.anchor is None else self.at) + ELO_UNIT * (log_strengths - origin)
        return ratings


@dataclass(frozen=True)
class Standing:
    """Row of a leaderboard."""

    model: str
    rating: Effect
    """In Elo points: a difference of 400 is odds of 10 to 1."""
    best: int
    """Best possible rank: 1 + the number of models whose interval is above."""
    worst: int
    """Worst possible rank: the number of models minus those whose interval is below."""
    votes: int
    win_rate: float
    """Weighted fraction of its votes that it won, ties half; depends on its opponents."""
    strength: float | None
    """Bradley-Terry strength, normalized to sum 1; None for Elo."""


@dataclass(frozen=True)
class Leaderboard:
    """Models by decreasing rating."""

    standings: tuple[Standing, ...]
    controls: tuple[tuple[str, Effect], ...]
    """Change of the log-odds of winning per root mean square of each covariate."""
    tie: float | None
    """Davidson's nu."""
    unbounded: int
    """Number of resamples without a finite maximum, fitted with WEAK_PRIOR."""
    resamples: int
    """Bootstrap resamples; 0 for other methods."""
    votes: int


def leaderboard(
    votes: PairwiseVotes,
    *,
    ties: Ties = "half",
    prior: float = 0.0,
    scale: RatingScale | None = None,
    intervals: Intervals | None = None,
) -> Leaderboard:
    """Bradley-Terry ratings, as fitted by `bradley_terry`, with confidence intervals and rank ranges.

    The interval is the percentile bootstrap over votes; votes of one rater are treated as independent. A resample in
    which a model never lost or never won has no finite maximum: it is fitted with a prior of precision WEAK_PRIOR and
    counted in `unbounded`. With an anchor every resample is anchored, so the anchor's interval has width 0 and the
    others are intervals of the difference to it.

    Two models are ranked apart if their intervals do not overlap, as in Chatbot Arena. The ranges are not simultaneous,
    and models with overlapping intervals may still differ significantly. Ranks use the intervals without an anchor, so
    the anchor changes no rank.

    Raises:
        ValueError: As `bradley_terry`; unknown anchor; fewer than two resamples.

    Source: Chiang et al. 2024, "Chatbot Arena": Bradley-Terry with bootstrap and sandwich intervals, and "Approximate
    rankings"; the best rank is the leaderboard's "Rank (UB)". Sandwich: White 1980, with weights as in arena-rank.
    """
    chosen, placed = intervals or Intervals(), scale or RatingScale()
    check_level(chosen.level)
    counts = cells(votes)
    fitted = fit(counts, ties=ties, prior=prior)
    limits, unbounded = _limits(counts, fitted, ties, prior, chosen)
    resamples = chosen.resamples if chosen.kind == "bootstrap" else 0
    method = f"bootstrap, {resamples} resamples" if resamples else chosen.kind

    def effects(on: RatingScale) -> list[Effect]:
        centers = np.concatenate([on.place(votes.models, fitted.log_strengths), fitted.coefficients])
        rows = zip(centers, *limits(on), strict=True)
        return [_effect(*row, len(votes), chosen.level, method) for row in rows]

    m, rated = len(votes.models), effects(placed)
    standings = _standings(votes, rated[:m], fitted.strengths, rank_ranges(effects(RatingScale())[:m]))
    controls = tuple(zip(votes.names, rated[m:], strict=True))
    return Leaderboard(standings, controls, fitted.tie, unbounded, resamples, len(votes))


def _limits(
    counts: Cells, fitted: BradleyTerry, ties: Ties, prior: float, chosen: Intervals
) -> tuple[Callable[[RatingScale], tuple[Floats, Floats]], int]:
    """Lower and upper limits (m + k,) on any scale, and the number of resamples fitted with WEAK_PRIOR."""
    m, models = len(fitted.models), fitted.models
    if counts.count.sum() < 2:
        undefined = np.full(len(fitted.numbers), np.nan)
        return lambda on: (undefined, undefined), 0
    if chosen.kind == "bootstrap":
        draws, unbounded = resampled(counts, fitted, ties, prior, chosen)
        return lambda on: _percentiles(
            np.hstack([on.place(models, draws[:, :m]), draws[:, m:]]), chosen.level
        ), unbounded
    matrix = covariance(counts, fitted, prior, chosen.kind)

    def normal(on: RatingScale) -> tuple[Floats, Floats]:
        center = np.concatenate([on.place(models, fitted.log_strengths), fitted.coefficients])
        anchor = None if on.anchor is None else models.index(on.anchor)
        return _normal(matrix, center, m, anchor, chosen.level)

    return normal, 0


def elo_leaderboard(
    votes: PairwiseVotes, *, k: float = K, start: float = START, intervals: Intervals | None = None
) -> Leaderboard:
    """Elo ratings in the order of the votes.

    Intervals are percentiles over bootstrap resamples of the votes in random order, as in LMSYS's first leaderboards. A
    rating may be outside its interval if the order matters. 0 resamples give no intervals.

    Raises:
        ValueError: As `elo`; intervals other than "bootstrap".
    """
    chosen = intervals or Intervals()
    check_level(chosen.level)
    if chosen.kind != "bootstrap" or chosen.resamples == 1:
        raise ValueError(
            f"Elo intervals need a bootstrap of 0 or 2 or more resamples, had {chosen.kind}, {chosen.resamples}."
        )
    low = high = np.full(len(votes.models), np.nan)
    if chosen.resamples and len(votes) > 1:
        rng = np.random.default_rng(chosen.seed)
        sizes = [min(BLOCK, chosen.resamples - offset) for offset in range(0, chosen.resamples, BLOCK)]
        draws = [
            elo_by_order(votes, rng.integers(0, len(votes), (size, len(votes))), k=k, start=start) for size in sizes
        ]
        low, high = _percentiles(np.concatenate(draws), chosen.level)
    method = f"elo in the given order, interval of {chosen.resamples} random orders"
    rows = zip(elo(votes, k=k, start=start), low, high, strict=True)
    effects = [_effect(*row, len(votes), chosen.level, method) for row in rows]
    standings = _standings(votes, effects, None, rank_ranges(effects))
    return Leaderboard(standings, (), None, 0, chosen.resamples, len(votes))


def resampled(counts: Cells, fitted: BradleyTerry, ties: Ties, prior: float, chosen: Intervals) -> tuple[Floats, int]:
    """Log-strengths and coefficients (r, m + k) of resampled votes, and the number fitted with WEAK_PRIOR."""
    if chosen.resamples < 2:
        raise ValueError(f"The bootstrap needs at least 2 resamples, had {chosen.resamples}.")
    rng = np.random.default_rng(chosen.seed)
    total = round(float(counts.count.sum()))
    parameters, unbounded = np.empty((chosen.resamples, len(fitted.numbers))), 0
    for nth in range(chosen.resamples):
        resample = Cells(**{**vars(counts), "count": rng.multinomial(total, counts.count / total).astype(np.float64)})
        try:
            refitted = fit(resample, ties=ties, prior=prior, start=fitted)
        except ValueError:
            unbounded += 1
            refitted = fit(resample, ties=ties, prior=WEAK_PRIOR, start=fitted)
        parameters[nth] = refitted.numbers
    return parameters, unbounded


def covariance(counts: Cells, fitted: BradleyTerry, prior: float, kind: CovarianceMethod) -> Floats:
    """Covariance (m + k, m + k) of log-strengths (with sum zero) and coefficients.

    "fisher" is the inverse Hessian, valid if the model is correct. "sandwich" multiplies the outer product of the
    gradients by it on both sides: also valid for half-win ties, weights and misspecified models.
    """
    model = BradleyTerryLikelihood(counts, bool(fitted.tie), prior)
    v = model.start_at(fitted)
    _, curvature = model.derivatives(v)
    keep = len(fitted.numbers)
    if kind == "fisher":
        whole = inverse(model, curvature, np.eye(model.size))
    else:
        whole = inverse(model, curvature, inverse(model, curvature, model.outer(v)).T)
    centered = np.eye(model.size)
    centered[: model.m, : model.m] -= 1 / model.m
    matrix: Floats = (centered @ whole @ centered)[:keep, :keep]
    return matrix


def _normal(matrix: Floats, center: Floats, m: int, anchor: int | None, level: float) -> tuple[Floats, Floats]:
    change = np.eye(len(matrix))
    if anchor is not None:
        change[:m, anchor] -= 1
    units = np.where(np.arange(len(matrix)) < m, ELO_UNIT, 1.0)
    variance = np.maximum(np.diag(change @ matrix @ change.T), 0.0)
    half = float(ndtri(0.5 + level / 2)) * np.sqrt(variance) * units
    return center - half, center + half


def _percentiles(draws: Floats, level: float) -> tuple[Floats, Floats]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _effect(estimate: float, low: float, high: float, n: int, level: float, method: str) -> Effect:
    if not np.isfinite(low):
        return Effect(float(estimate), None, None, n, level, method)
    return Effect(float(estimate), float(low), float(high), n, level, method)


def _standings(
    votes: PairwiseVotes, effects: list[Effect], strengths: Floats | None, ranges: Sequence[tuple[int, int]]
) -> tuple[Standing, ...]:
    m = len(votes.models)
    both = np.concatenate([votes.first, votes.second])
    vote_counts = np.bincount(both, minlength=m)
    weight = np.bincount(both, np.tile(votes.weight, 2), m)
    wins = np.bincount(both, np.tile(votes.weight, 2) * np.concatenate([votes.outcome, 1 - votes.outcome]), m)
    standings = [
        Standing(
            model=name,
            rating=effects[nth],
            best=ranges[nth][0],
            worst=ranges[nth][1],
            votes=int(vote_counts[nth]),
            win_rate=float(wins[nth] / weight[nth]),
            strength=None if strengths is None else float(strengths[nth]),
        )
        for nth, name in enumerate(votes.models)
    ]
    return tuple(sorted(standings, key=lambda standing: (-standing.rating.estimate, standing.model)))


def rank_ranges(ratings: Sequence[Effect]) -> list[tuple[int, int]]:
    """Best and worst possible rank of each rating by non-overlapping intervals; all ranks without intervals."""
    low = np.array([-np.inf if rating.low is None else rating.low for rating in ratings])
    high = np.array([np.inf if rating.high is None else rating.high for rating in ratings])
    above = (low[None, :] > high[:, None]).sum(axis=1)
    below = (high[None, :] < low[:, None]).sum(axis=1)
    return [(1 + int(up), len(ratings) - int(down)) for up, down in zip(above, below, strict=True)]
