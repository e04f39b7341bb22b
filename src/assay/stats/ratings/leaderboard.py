"""Leaderboards: ratings of models with intervals, and the ranks that the intervals allow."""

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
from assay.stats.ratings.votes import Cells, Floats, PairwiseVotes, cells

CovarianceMethod: TypeAlias = Literal["bootstrap", "sandwich", "fisher"]
ELO_UNIT = SCALE / math.log(10)
"""Elo points a unit of log-strength."""
WEAK_PRIOR = 0.01
"""Holds the strengths of a resample in which some model never lost or never won."""
BLOCK = 200


@dataclass(frozen=True)
class Intervals:
    """How to say how sure a rating is."""

    kind: CovarianceMethod = "bootstrap"
    """Over votes; or, faster and by approximation, from the curvature: "sandwich" or, trusting the model, "fisher"."""
    resamples: int = 1000
    seed: int = 0
    level: float = 0.95


@dataclass(frozen=True)
class RatingScale:
    """Where ratings lie: `mean` is that of all models, unless the model `anchor` is put at `at`."""

    mean: float = 1000.0
    anchor: str | None = None
    at: float = 1000.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean) or not math.isfinite(self.at):
            raise ValueError(f"The mean must be a finite number, was {self.mean:g} (the anchor's place {self.at:g}).")

    def place(self, models: tuple[str, ...], log_strengths: Floats) -> Floats:
        """Ratings of log-strengths (..., m)."""
        if self.anchor is not None and self.anchor not in models:
            raise ValueError(f"The anchor {self.anchor!r} is none of the models.")
        middle = log_strengths.mean(axis=-1, keepdims=True)
        origin = middle if self.anchor is None else log_strengths[..., [models.index(self.anchor)]]
        found: Floats = (self.mean if self.anchor is None else self.at) + ELO_UNIT * (log_strengths - origin)
        return found


@dataclass(frozen=True)
class Standing:
    """One model on a leaderboard."""

    model: str
    rating: Effect
    """In Elo points: 400 more is ten to one."""
    best: int
    """The best rank that is not ruled out: 1 + how many models lie surely above."""
    worst: int
    """The worst: how many models there are, less those that lie surely below."""
    votes: int
    win_rate: float
    """Share of its votes that it won, a tie counting half, votes as weighted; it depends on whom it met."""
    strength: float | None
    """Bradley and Terry's, of a sum of 1; None for Elo."""


@dataclass(frozen=True)
class Leaderboard:
    """Models from the best to the worst."""

    standings: tuple[Standing, ...]
    controls: tuple[tuple[str, Effect], ...]
    """Covariates: what one root mean square adds to the log-odds of winning."""
    tie: float | None
    """Davidson's nu."""
    unbounded: int
    """In how many resamples some model never lost or never won, so that a weak prior held its strength."""
    resamples: int
    """Of the bootstrap; 0 without one."""
    votes: int


def leaderboard(
    cast: PairwiseVotes,
    *,
    ties: Ties = "half",
    prior: float = 0.0,
    scale: RatingScale | None = None,
    intervals: Intervals | None = None,
) -> Leaderboard:
    """Ratings by Bradley and Terry's model, as `bradley_terry` fits it, with intervals and ranges of ranks.

    The bootstrap draws votes with replacement and takes percentiles; several votes of one rater are drawn as if they
    were of several. Where a resample leaves a model without a loss or a win there is no finite strength in it, and a
    prior of precision WEAK_PRIOR holds it; `unbounded` counts them. With an anchor every resample is anchored, so
    its own interval is nothing wide and the others hold the difference to it.

    Ranks are by intervals that do not overlap, each at its own level, as Chatbot Arena shows them: the ranges are
    not sure for all models at once, and two models whose intervals overlap may still differ surely. They go by the
    intervals about the mean of all models, so that an anchor changes no rank.

    Raises:
        ValueError: As `bradley_terry`; the anchor is none of the models; fewer than two resamples.

    Source: Chiang et al. 2024, "Chatbot Arena": Bradley-Terry with bootstrap and sandwich intervals, and "Approximate
    rankings"; the best rank is the leaderboard's "Rank (UB)". The sandwich: White 1980; with weights as in arena-rank.
    """
    chosen, placed = intervals or Intervals(), scale or RatingScale()
    check_level(chosen.level)
    counted = cells(cast)
    fitted = fit(counted, ties=ties, prior=prior)
    limits, unbounded = _limits(counted, fitted, ties, prior, chosen)
    drawn = chosen.resamples if chosen.kind == "bootstrap" else 0
    method = f"bootstrap, {drawn} resamples" if drawn else chosen.kind

    def effects(on: RatingScale) -> list[Effect]:
        centers = np.concatenate([on.place(cast.models, fitted.log_strengths), fitted.coefficients])
        rows = zip(centers, *limits(on), strict=True)
        return [_effect(*row, len(cast), chosen.level, method) for row in rows]

    m, told = len(cast.models), effects(placed)
    standings = _standings(cast, told[:m], fitted.strengths, rank_ranges(effects(RatingScale())[:m]))
    controls = tuple(zip(cast.names, told[m:], strict=True))
    return Leaderboard(standings, controls, fitted.tie, unbounded, drawn, len(cast))


def _limits(
    counted: Cells, fitted: BradleyTerry, ties: Ties, prior: float, chosen: Intervals
) -> tuple[Callable[[RatingScale], tuple[Floats, Floats]], int]:
    """Lower and upper limits (m + k,) on any scale, and in how many resamples a weak prior held a strength."""
    m, models = len(fitted.models), fitted.models
    if counted.count.sum() < 2:
        none = np.full(len(fitted.numbers), np.nan)
        return lambda on: (none, none), 0
    if chosen.kind == "bootstrap":
        draws, unbounded = resampled(counted, fitted, ties, prior, chosen)
        return lambda on: _percentiles(
            np.hstack([on.place(models, draws[:, :m]), draws[:, m:]]), chosen.level
        ), unbounded
    found = covariance(counted, fitted, prior, chosen.kind)

    def normal(on: RatingScale) -> tuple[Floats, Floats]:
        center = np.concatenate([on.place(models, fitted.log_strengths), fitted.coefficients])
        anchor = None if on.anchor is None else models.index(on.anchor)
        return _normal(found, center, m, anchor, chosen.level)

    return normal, 0


def elo_leaderboard(
    cast: PairwiseVotes, *, k: float = K, start: float = START, intervals: Intervals | None = None
) -> Leaderboard:
    """Ratings by Elo in the order of the votes.

    The intervals hold the middle of resamples of the votes in random order, as in LMSYS's first leaderboards; where
    the given order matters, a rating may lie outside its interval. With 0 resamples there are none.

    Raises:
        ValueError: As `elo`; intervals of another kind than "bootstrap".
    """
    chosen = intervals or Intervals()
    check_level(chosen.level)
    if chosen.kind != "bootstrap" or chosen.resamples == 1:
        raise ValueError("Intervals of Elo ratings are bootstraps of two or more resamples, or none.")
    low = high = np.full(len(cast.models), np.nan)
    if chosen.resamples and len(cast) > 1:
        rng = np.random.default_rng(chosen.seed)
        sizes = [min(BLOCK, chosen.resamples - done) for done in range(0, chosen.resamples, BLOCK)]
        draws = [elo_by_order(cast, rng.integers(0, len(cast), (size, len(cast))), k=k, start=start) for size in sizes]
        low, high = _percentiles(np.concatenate(draws), chosen.level)
    method = f"elo in the given order, interval of {chosen.resamples} random orders"
    rows = zip(elo(cast, k=k, start=start), low, high, strict=True)
    effects = [_effect(*row, len(cast), chosen.level, method) for row in rows]
    standings = _standings(cast, effects, None, rank_ranges(effects))
    return Leaderboard(standings, (), None, 0, chosen.resamples, len(cast))


def resampled(counted: Cells, fitted: BradleyTerry, ties: Ties, prior: float, chosen: Intervals) -> tuple[Floats, int]:
    """(r, m + k): log-strengths and coefficients of resampled votes, and of how many a weak prior held them."""
    if chosen.resamples < 2:
        raise ValueError(f"A bootstrap needs two or more resamples, had {chosen.resamples}.")
    rng = np.random.default_rng(chosen.seed)
    total = round(float(counted.count.sum()))
    found, unbounded = np.empty((chosen.resamples, len(fitted.numbers))), 0
    for nth in range(chosen.resamples):
        drawn = Cells(**{**vars(counted), "count": rng.multinomial(total, counted.count / total).astype(np.float64)})
        try:
            one = fit(drawn, ties=ties, prior=prior, start=fitted)
        except ValueError:
            unbounded += 1
            one = fit(drawn, ties=ties, prior=WEAK_PRIOR, start=fitted)
        found[nth] = one.numbers
    return found, unbounded


def covariance(counted: Cells, fitted: BradleyTerry, prior: float, kind: CovarianceMethod) -> Floats:
    """(m + k, m + k): of log-strengths (that sum to zero) and coefficients.

    "fisher" is the inverse of the curvature, right where the model is; "sandwich" puts the observed spread of the
    votes' slopes between two of them, right for ties counted as half wins, for weights and where the model is not.
    """
    model = BradleyTerryLikelihood(counted, bool(fitted.tie), prior)
    v = model.start_at(fitted)
    _, curvature = model.derivatives(v)
    keep = len(fitted.numbers)
    if kind == "fisher":
        whole = inverse(model, curvature, np.eye(model.size))
    else:
        whole = inverse(model, curvature, inverse(model, curvature, model.outer(v)).T)
    centered = np.eye(model.size)
    centered[: model.m, : model.m] -= 1 / model.m
    found: Floats = (centered @ whole @ centered)[:keep, :keep]
    return found


def _normal(found: Floats, center: Floats, m: int, anchor: int | None, level: float) -> tuple[Floats, Floats]:
    change = np.eye(len(found))
    if anchor is not None:
        change[:m, anchor] -= 1
    units = np.where(np.arange(len(found)) < m, ELO_UNIT, 1.0)
    variance = np.maximum(np.diag(change @ found @ change.T), 0.0)
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
    cast: PairwiseVotes, effects: list[Effect], strengths: Floats | None, ranges: Sequence[tuple[int, int]]
) -> tuple[Standing, ...]:
    m = len(cast.models)
    both = np.concatenate([cast.first, cast.second])
    met = np.bincount(both, minlength=m)
    weight = np.bincount(both, np.tile(cast.weight, 2), m)
    gained = np.bincount(both, np.tile(cast.weight, 2) * np.concatenate([cast.outcome, 1 - cast.outcome]), m)
    found = [
        Standing(
            model=name,
            rating=effects[nth],
            best=ranges[nth][0],
            worst=ranges[nth][1],
            votes=int(met[nth]),
            win_rate=float(gained[nth] / weight[nth]),
            strength=None if strengths is None else float(strengths[nth]),
        )
        for nth, name in enumerate(cast.models)
    ]
    return tuple(sorted(found, key=lambda one: (-one.rating.estimate, one.model)))


def rank_ranges(ratings: Sequence[Effect]) -> list[tuple[int, int]]:
    """The best and the worst rank of each that the intervals leave open; all ranks where there are no intervals."""
    low = np.array([-np.inf if one.low is None else one.low for one in ratings])
    high = np.array([np.inf if one.high is None else one.high for one in ratings])
    above = (low[None, :] > high[:, None]).sum(axis=1)
    below = (high[None, :] < low[:, None]).sum(axis=1)
    return [(1 + int(up), len(ratings) - int(down)) for up, down in zip(above, below, strict=True)]
