"""The strengths of models from votes between them: Bradley and Terry's model by maximum likelihood.

Elo's ratings, one vote after the other; the order of the votes matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from assay.stats.ratings.votes import TIED, Cells, Ints, PairwiseVotes, cells, connected, why_no_maximum

Floats = npt.NDArray[np.float64]
Ties: TypeAlias = Literal["half", "davidson"]
STEPS = 200
SMALLEST_STEP = 1e-12
LARGEST = 50.0
"""Log-strengths beyond it are on their way to infinity: there is no maximum."""


@dataclass(frozen=True)
class BradleyTerry:
    """Fitted strengths: the odds that i is preferred to j are exp(log_strengths[i] - log_strengths[j])."""

    models: tuple[str, ...]
    log_strengths: Floats
    """(m,), mean 0."""
    coefficients: Floats
    """(k,): how much one root mean square of a covariate adds to the log-odds of winning."""
    tie: float | None
    """Davidson's nu: how often equal models tie, as nu / (2 + nu); None where a tie is half a win each."""
    likelihood: float
    """The logarithm of it, of the votes as weighted; less the penalty."""

    @property
    def strengths(self) -> Floats:
        """(m,), above 0, sum 1."""
        raw = np.exp(self.log_strengths - self.log_strengths.max())
        found: Floats = raw / raw.sum()
        return found

    @property
    def numbers(self) -> Floats:
        """(m + k,): log-strengths and coefficients."""
        return np.concatenate([self.log_strengths, self.coefficients])


def bradley_terry(cast: PairwiseVotes, *, ties: Ties = "half", prior: float = 0.0) -> BradleyTerry:
    """Fits strengths, and what the covariates add, by maximum likelihood; the order of votes plays no part.

    `ties`: "half" counts a tie as half a win for each, as Chatbot Arena does; "davidson" gives ties a probability of
    their own, nu sqrt(p_i p_j) / (p_i + p_j + nu sqrt(p_i p_j)), with nu fitted. `prior` above zero pulls
    log-strengths, coefficients and log nu to 0 by a normal prior of that precision (variance 1 / prior): then there
    always is a maximum, and models that never lost have a finite strength too.

    With covariates it is Chatbot Arena's style control: a logistic regression on who played and on what else
    differed, so that strengths hold at equal length, say. arena-rank pulls coefficients to 0 by default (reg = 1
    beside a mean of losses, which is strong); here nothing does unless `prior` is given.

    Raises:
        ValueError: There is no maximum, and between which models; `prior` is below 0 or not finite; every vote is a
            tie and `ties` is "davidson".

    Source: Bradley and Terry 1952; Davidson 1970; LMSYS, "Does style matter? Disentangling
    style and substance in Chatbot Arena", 2024 (covariates). Newton's method on counted votes; Hunter 2004 for why
    the maximum is unique.
    """
    return fit(cells(cast), ties=ties, prior=prior)


def fit(counted: Cells, *, ties: Ties = "half", prior: float = 0.0, start: BradleyTerry | None = None) -> BradleyTerry:
    """As `bradley_terry`, of votes that are counted already; `start` saves steps and changes nothing else."""
    if not 0 <= prior < np.inf:
        raise ValueError(f"prior must be 0 or more and finite, was {prior:g}.")
    tied = counted.outcome[counted.count > 0] == TIED
    if ties == "davidson" and tied.all() and not prior:
        raise ValueError("Every vote is a tie: how often equal models tie cannot be told from this.")
    if not prior and not connected(counted):
        raise ValueError(why_no_maximum(counted))
    model = BradleyTerryLikelihood(counted, ties == "davidson" and (bool(tied.any()) or prior > 0), prior)
    numbers = _climb(model, model.start_at(start))
    m, k = len(counted.models), counted.covariates.shape[1]
    nu = float(np.exp(numbers[-1])) if model.draws else (None if ties == "half" else 0.0)
    strengths = numbers[:m] - numbers[:m].mean()
    return BradleyTerry(counted.models, strengths, numbers[m : m + k], nu, -model.loss(numbers))


class BradleyTerryLikelihood:
    """Minus the log-likelihood of m log-strengths, k coefficients and, with `draws`, the logarithm of nu; convex."""

    def __init__(self, counted: Cells, draws: bool, prior: float) -> None:
        self.cells, self.draws = counted, draws
        self.m, self.k = len(counted.models), counted.covariates.shape[1]
        self.size = self.m + self.k + draws
        self.weight = counted.weight * counted.count
        self.prior = prior
        self.tied = (counted.outcome == TIED).astype(np.float64)

    def start_at(self, start: BradleyTerry | None) -> Floats:
        """Where to begin; at equal strengths without `start`."""
        numbers = np.zeros(self.size)
        if start is not None:
            numbers[: self.m + self.k] = start.numbers
            if self.draws and start.tie:
                numbers[-1] = np.log(start.tie)
        return numbers

    def loss(self, v: Floats) -> float:
        """Minus the log-likelihood, with the penalty."""
        odds = self._odds(v)
        lead = self.cells.outcome - 0.5
        top = np.logaddexp(odds / 2, -odds / 2)
        if self.draws:
            top = np.logaddexp(top, v[-1])
        gained = lead * odds + (self.tied * v[-1] if self.draws else 0.0)
        return float(self.weight @ (top - gained) + self.prior * (v @ v) / 2)

    def slopes(self, v: Floats) -> tuple[Floats, Floats]:
        """Of one vote of each cell: (c, 2) the loss's slopes along the odds and log nu, (c, 3) its curvatures."""
        odds = self._odds(v)
        log_nu = v[-1] if self.draws else -np.inf
        top = np.logaddexp(np.logaddexp(odds / 2, -odds / 2), log_nu)
        win, lose, tie = np.exp(odds / 2 - top), np.exp(-odds / 2 - top), np.exp(log_nu - top)
        lead = (win - lose) / 2
        first = np.stack([lead - (self.cells.outcome - 0.5), tie - self.tied * self.draws], axis=1)
        # (1 - tie) / 4 - lead^2 without the loss of digits where one side is all but sure to win.
        second = np.stack([win * lose + tie * (win + lose) / 4, -lead * tie, tie * (1 - tie)], axis=1)
        return first, second

    def derivatives(self, v: Floats) -> tuple[Floats, Floats]:
        """The gradient (size,) and second derivatives (size, size)."""
        # Without a prior there is no curvature along a shift of all strengths: see `inverse`.
        first, second = self.slopes(v)
        gradient = self._down(first[:, 0] * self.weight)
        if self.draws:
            gradient[-1] = self.weight @ first[:, 1]
        curvature = self._filled(self.weight[:, None] * second)
        curvature[np.diag_indices(self.size)] += self.prior
        return gradient + self.prior * v, curvature

    def outer(self, v: Floats) -> Floats:
        """(size, size): the sum over votes of the outer squares of their slopes."""
        first, _ = self.slopes(v)
        lead, tie = (first * self.cells.weight[:, None]).T
        return self._filled(self.cells.count[:, None] * np.stack([lead**2, lead * tie, tie**2], axis=1))

    def _filled(self, values: Floats) -> Floats:
        """(size, size): values (c, 3) times the outer square of who played and what differed, beside that of nu."""
        m, c = self.m, self.cells
        found = np.zeros((self.size, self.size))
        pairs = np.bincount(c.a * m + c.b, values[:, 0], m * m).reshape(m, m)
        found[:m, :m] = np.diag(pairs.sum(axis=0) + pairs.sum(axis=1)) - pairs - pairs.T
        columns = [values[:, 0] * column for column in c.covariates.T] + [values[:, 1]] * self.draws
        for nth, column in enumerate(columns, start=m):
            found[nth] = self._down(column)
            found[:, nth] = found[nth]
        if self.draws:
            found[-1, -1] = values[:, 2].sum()
        return found

    def _odds(self, v: Floats) -> Floats:
        c = self.cells
        found: Floats = v[c.a] - v[c.b] + c.covariates @ v[self.m : self.m + self.k]
        return found

    def _down(self, values: Floats) -> Floats:
        """(size,): the sum over cells of values (c,) times who played and what differed."""
        c, found = self.cells, np.zeros(self.size)
        found[: self.m] = np.bincount(c.a, values, self.m) - np.bincount(c.b, values, self.m)
        found[self.m : self.m + self.k] = values @ c.covariates
        return found


def inverse(model: BradleyTerryLikelihood, curvature: Floats, right: Floats) -> Floats:
    """Solves for `right` (size,) or (size, r) among numbers whose strengths sum to zero."""
    shift = (np.arange(model.size) < model.m).astype(np.float64)
    level = float(np.trace(curvature)) / model.size / model.m
    factor = cho_factor(curvature + level * np.outer(shift, shift), check_finite=False)
    found: Floats = cho_solve(factor, right, check_finite=False)
    return found


def _climb(model: BradleyTerryLikelihood, v: Floats) -> Floats:
    """Newton's method with halved steps.

    Raises:
        ValueError: It goes on for ever: some outcome never happened, and its probability goes to 0.
    """
    loss = model.loss(v)
    for _ in range(STEPS):
        try:
            gradient, curvature = model.derivatives(v)
            step = inverse(model, curvature, gradient)
        except np.linalg.LinAlgError:
            break
        while (lower := model.loss(v - step)) > loss + 1e-13 * abs(loss) and np.abs(step).max() > SMALLEST_STEP:
            step = step / 2
        v, loss = v - step, lower
        if np.abs(v).max() > LARGEST:
            break
        if np.abs(step).max() <= SMALLEST_STEP * max(1.0, float(np.abs(v).max())):
            return v
    raise ValueError(
        "The likelihood has no maximum: a covariate tells every outcome, or is the same for two models always, or "
        "wins and ties come too one-sided for the tie parameter."
    )


SCALE = 400.0
"""Points between two models of which one wins ten times for each time it loses."""
K = 4.0
START = 1000.0
STEEPEST = 300.0
"""Tenfold odds beyond which the weaker one is not expected to win at all; more would be beyond a float."""


def elo(cast: PairwiseVotes, *, k: float = K, start: float = START) -> Floats:
    """The rating of each model (m,) after all votes, in the order in which they were cast.

    After a vote the first gains k times (outcome less what was expected), times the vote's weight, and the second
    loses as much, so that the mean stays `start`. The same votes in another order give other ratings, and late votes
    count more than early ones: where models do not change, Bradley and Terry's model is the better estimate. A large
    k forgets fast.

    evalica gives the same ratings at weight 1, to 1e-12. It multiplies only the outcome by the weight and not the
    expectation, and replays one order at a time, so weighted votes and the resampled orders need this code.

    Source: Elo 1978; k = 4, start 1000 and scale 400 as in LMSYS's first leaderboard (2023).
    """
    found: Floats = elo_by_order(cast, np.arange(len(cast))[None, :], k=k, start=start)[0]
    return found


def elo_by_order(
    cast: PairwiseVotes, orders: npt.NDArray[np.intp] | Ints, *, k: float = K, start: float = START
) -> Floats:
    """(r, m): the ratings after each of r orders (r, n) of the votes; a vote may be left out or come twice.

    Raises:
        ValueError: k is not above zero and finite, or `start` not finite.
    """
    if not 0 < k < math.inf:
        raise ValueError(f"k must be above zero and finite, was {k:g}.")
    if not math.isfinite(start):
        raise ValueError(f"The start must be a finite number, was {start:g}.")
    ratings = np.full((len(orders), len(cast.models)), start)
    if len(orders) == 1:
        return _one(cast, orders[0], ratings[0], k)[None, :]
    rows = np.arange(len(orders))
    for drawn in orders.T:
        a, b = cast.first[drawn], cast.second[drawn]
        expected = 1 / (1 + 10 ** np.minimum((ratings[rows, b] - ratings[rows, a]) / SCALE, STEEPEST))
        gained = k * cast.weight[drawn] * (cast.outcome[drawn] - expected)
        ratings[rows, a] += gained
        ratings[rows, b] -= gained
    return ratings


def _one(cast: PairwiseVotes, order: npt.NDArray[np.intp] | Ints, start: Floats, k: float) -> Floats:
    """As `elo_by_order`, of one order: plain numbers are faster than arrays of one."""
    ratings = start.tolist()
    columns = (cast.first, cast.second, cast.outcome, cast.weight)
    for a, b, outcome, weight in zip(*(column[order].tolist() for column in columns), strict=True):
        gained = k * weight * (outcome - 1 / (1 + 10 ** min((ratings[b] - ratings[a]) / SCALE, STEEPEST)))
        ratings[a] += gained
        ratings[b] -= gained
    return np.array(ratings)
