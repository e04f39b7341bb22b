"""Rating models of pairwise votes: Bradley-Terry by maximum likelihood, and Elo in the order of the votes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from assay.stats.ratings.votes import TIED, Cells, Ints, NoMaximumError, PairwiseVotes, cells, no_maximum

Floats = npt.NDArray[np.float64]
Ties: TypeAlias = Literal["half", "davidson"]
STEPS = 200
TOLERANCE = 1e-12
MAX_LOG_STRENGTH = 50.0
"""Largest log-strength; a fit that exceeds it diverges, because the likelihood has no maximum."""


@dataclass(frozen=True)
class BradleyTerry:
    """Fitted strengths: the odds that i is preferred to j are exp(log_strengths[i] - log_strengths[j])."""

    models: tuple[str, ...]
    log_strengths: Floats
    """Shape (m,), mean 0."""
    coefficients: Floats
    """Shape (k,): change of the log-odds of winning per root mean square of a covariate."""
    tie: float | None
    """Davidson's nu: two equal models tie with probability nu / (2 + nu); None if a tie is half a win each."""
    likelihood: float
    """Weighted log-likelihood minus the penalty."""

    @property
    def strengths(self) -> Floats:
        """Strengths (m,), positive with sum 1."""
        raw = np.exp(self.log_strengths - self.log_strengths.max())
        strengths: Floats = raw / raw.sum()
        return strengths

    @property
    def numbers(self) -> Floats:
        """Log-strengths and coefficients, (m + k,)."""
        return np.concatenate([self.log_strengths, self.coefficients])


def bradley_terry(votes: PairwiseVotes, *, ties: Ties = "half", prior: float = 0.0) -> BradleyTerry:
    """Fit strengths and covariate coefficients by maximum likelihood; independent of the order of votes.

    With covariates this is Chatbot Arena's style control: a logistic regression on the two models and the covariates,
    so that strengths are compared at equal length, for example. arena-rank regularizes coefficients by default (reg = 1
    with a mean of losses, which is strong); here only `prior` does.

    Args:
        votes: Pairwise votes.
        ties: "half" counts a tie as half a win for each, as Chatbot Arena does; "davidson" models the probability of
            a tie as nu sqrt(p_i p_j) / (p_i + p_j + nu sqrt(p_i p_j)), and fits nu.
        prior: Precision (1 / variance) of a normal prior with mean 0 on log-strengths, coefficients and log nu. Above
            zero a maximum always exists, and models that never lost have a finite strength.

    Raises:
        ValueError: No maximum exists (the message names the models); `prior` is below 0 or not finite; every vote is a
            tie and `ties` is "davidson".

    Source: Bradley and Terry 1952; Davidson 1970; LMSYS, "Does style matter? Disentangling
    style and substance in Chatbot Arena", 2024 (covariates). Newton's method on vote counts; Hunter 2004 (uniqueness of
    the maximum).
    """
    return fit(cells(votes), ties=ties, prior=prior)


def fit(counts: Cells, *, ties: Ties = "half", prior: float = 0.0, start: BradleyTerry | None = None) -> BradleyTerry:
    """As `bradley_terry`, for counts of votes; `start` is a warm start that does not change the result."""
    if not 0 <= prior < np.inf:
        raise ValueError(f"prior must be 0 or more and finite, was {prior:g}.")
    tied = counts.outcome[counts.count > 0] == TIED
    if ties == "davidson" and tied.all() and not prior:
        raise ValueError("Every vote is a tie: Davidson's tie parameter cannot be estimated.")
    if not prior and (error := no_maximum(counts)) is not None:
        raise error
    model = BradleyTerryLikelihood(counts, ties == "davidson" and (bool(tied.any()) or prior > 0), prior)
    numbers = _maximize(model, model.start_at(start))
    m, k = len(counts.models), counts.covariates.shape[1]
    nu = float(np.exp(numbers[-1])) if model.draws else (None if ties == "half" else 0.0)
    strengths = numbers[:m] - numbers[:m].mean()
    return BradleyTerry(counts.models, strengths, numbers[m : m + k], nu, -model.loss(numbers))


class BradleyTerryLikelihood:
    """Convex negative log-likelihood of m log-strengths, k coefficients and, with `draws`, log nu."""

    def __init__(self, counts: Cells, draws: bool, prior: float) -> None:
        self.cells, self.draws = counts, draws
        self.m, self.k = len(counts.models), counts.covariates.shape[1]
        self.size = self.m + self.k + draws
        self.weight = counts.weight * counts.count
        self.prior = prior
        self.tied = (counts.outcome == TIED).astype(np.float64)

    def start_at(self, start: BradleyTerry | None) -> Floats:
        """Initial parameters: `start`, or equal strengths."""
        numbers = np.zeros(self.size)
        if start is not None:
            numbers[: self.m + self.k] = start.numbers
            if self.draws and start.tie:
                numbers[-1] = np.log(start.tie)
        return numbers

    def loss(self, v: Floats) -> float:
        """Negative log-likelihood plus the penalty."""
        odds = self._odds(v)
        lead = self.cells.outcome - 0.5
        top = np.logaddexp(odds / 2, -odds / 2)
        if self.draws:
            top = np.logaddexp(top, v[-1])
        log_odds = lead * odds + (self.tied * v[-1] if self.draws else 0.0)
        return float(self.weight @ (top - log_odds) + self.prior * (v @ v) / 2)

    def slopes(self, v: Floats) -> tuple[Floats, Floats]:
        """Derivatives of the loss of one vote per cell by log-odds and log nu: first (c, 2), second (c, 3)."""
        odds = self._odds(v)
        log_nu = v[-1] if self.draws else -np.inf
        top = np.logaddexp(np.logaddexp(odds / 2, -odds / 2), log_nu)
        win, lose, tie = np.exp(odds / 2 - top), np.exp(-odds / 2 - top), np.exp(log_nu - top)
        lead = (win - lose) / 2
        first = np.stack([lead - (self.cells.outcome - 0.5), tie - self.tied * self.draws], axis=1)
        # (1 - tie) / 4 - lead^2 without cancellation when one side is almost certain to win.
        second = np.stack([win * lose + tie * (win + lose) / 4, -lead * tie, tie * (1 - tie)], axis=1)
        return first, second

    def derivatives(self, v: Floats) -> tuple[Floats, Floats]:
        """Gradient (size,) and Hessian (size, size)."""
        # Without a prior the Hessian is singular along a shift of all strengths: see `inverse`.
        first, second = self.slopes(v)
        gradient = self._project(first[:, 0] * self.weight)
        if self.draws:
            gradient[-1] = self.weight @ first[:, 1]
        curvature = self._assemble(self.weight[:, None] * second)
        curvature[np.diag_indices(self.size)] += self.prior
        return gradient + self.prior * v, curvature

    def outer(self, v: Floats) -> Floats:
        """Sum over votes of the outer products of their gradients, (size, size)."""
        first, _ = self.slopes(v)
        lead, tie = (first * self.cells.weight[:, None]).T
        return self._assemble(self.cells.count[:, None] * np.stack([lead**2, lead * tie, tie**2], axis=1))

    def _assemble(self, values: Floats) -> Floats:
        """Assemble (size, size) from second derivatives (c, 3) and the design of the cells."""
        m, c = self.m, self.cells
        matrix = np.zeros((self.size, self.size))
        pairs = np.bincount(c.a * m + c.b, values[:, 0], m * m).reshape(m, m)
        matrix[:m, :m] = np.diag(pairs.sum(axis=0) + pairs.sum(axis=1)) - pairs - pairs.T
        columns = [values[:, 0] * column for column in c.covariates.T] + [values[:, 1]] * self.draws
        for nth, column in enumerate(columns, start=m):
            matrix[nth] = self._project(column)
            matrix[:, nth] = matrix[nth]
        if self.draws:
            matrix[-1, -1] = values[:, 2].sum()
        return matrix

    def _odds(self, v: Floats) -> Floats:
        c = self.cells
        odds: Floats = v[c.a] - v[c.b] + c.covariates @ v[self.m : self.m + self.k]
        return odds

    def _project(self, values: Floats) -> Floats:
        """Transposed design matrix of the cells times values (c,): (size,)."""
        c, total = self.cells, np.zeros(self.size)
        total[: self.m] = np.bincount(c.a, values, self.m) - np.bincount(c.b, values, self.m)
        total[self.m : self.m + self.k] = values @ c.covariates
        return total


def inverse(model: BradleyTerryLikelihood, curvature: Floats, right: Floats) -> Floats:
    """Solve `curvature` x = `right`, (size,) or (size, r), for x whose log-strengths sum to zero."""
    shift = (np.arange(model.size) < model.m).astype(np.float64)
    level = float(np.trace(curvature)) / model.size / model.m
    factor = cho_factor(curvature + level * np.outer(shift, shift), check_finite=False)
    solution: Floats = cho_solve(factor, right, check_finite=False)
    return solution


def _maximize(model: BradleyTerryLikelihood, v: Floats) -> Floats:
    """Newton's method with step halving.

    Raises:
        ValueError: It diverges, as the probability of an outcome that never occurs goes to 0.
    """
    loss = model.loss(v)
    for _ in range(STEPS):
        try:
            gradient, curvature = model.derivatives(v)
            step = inverse(model, curvature, gradient)
        except np.linalg.LinAlgError:
            break
        while (lower := model.loss(v - step)) > loss + 1e-13 * abs(loss) and np.abs(step).max() > TOLERANCE:
            step = step / 2
        v, loss = v - step, lower
        if np.abs(v).max() > MAX_LOG_STRENGTH:
            break
        if np.abs(step).max() <= TOLERANCE * max(1.0, float(np.abs(v).max())):
            return v
    raise NoMaximumError(
        "diverged",
        "The likelihood has no maximum: a covariate predicts every outcome (separation), a covariate is collinear with "
        "the models, or the tie parameter diverges.",
    )


SCALE = 400.0
"""Rating difference at odds of 10 to 1."""
K = 4.0
START = 1000.0
MAX_EXPONENT = 300.0
"""Maximum log10 odds, to avoid overflow."""


def elo(votes: PairwiseVotes, *, k: float = K, start: float = START) -> Floats:
    """Elo rating of each model (m,) after all votes, in their order.

    Each vote adds k * weight * (outcome - expected) to the first model and subtracts it from the second, so the mean
    stays `start`. Ratings depend on the order of votes, and late votes count more, the more the larger k: prefer
    Bradley-Terry for models that do not change.

    evalica gives the same ratings at weight 1, to 1e-12. It multiplies only the outcome by the weight and not the
    expectation, and replays one order at a time, so weighted votes and resampled orders need this code.

    Source: Elo 1978; k = 4, start 1000 and scale 400 as in LMSYS's first leaderboard (2023).
    """
    ratings: Floats = elo_by_order(votes, np.arange(len(votes))[None, :], k=k, start=start)[0]
    return ratings


def elo_by_order(
    votes: PairwiseVotes, orders: npt.NDArray[np.intp] | Ints, *, k: float = K, start: float = START
) -> Floats:
    """Ratings (r, m) after each of r orders (r, n) of the votes, which may omit or repeat votes.

    Raises:
        ValueError: `k` is not positive and finite, or `start` is not finite.
    """
    if not 0 < k < math.inf:
        raise ValueError(f"k must be positive and finite, was {k:g}.")
    if not math.isfinite(start):
        raise ValueError(f"start must be finite, was {start:g}.")
    ratings = np.full((len(orders), len(votes.models)), start)
    if len(orders) == 1:
        return _elo_of_order(votes, orders[0], ratings[0], k)[None, :]
    rows = np.arange(len(orders))
    for indices in orders.T:
        a, b = votes.first[indices], votes.second[indices]
        expected = 1 / (1 + 10 ** np.minimum((ratings[rows, b] - ratings[rows, a]) / SCALE, MAX_EXPONENT))
        update = k * votes.weight[indices] * (votes.outcome[indices] - expected)
        ratings[rows, a] += update
        ratings[rows, b] -= update
    return ratings


def _elo_of_order(votes: PairwiseVotes, order: npt.NDArray[np.intp] | Ints, start: Floats, k: float) -> Floats:
    """As `elo_by_order`, for one order: Python floats are faster than arrays of length 1."""
    ratings = start.tolist()
    columns = (votes.first, votes.second, votes.outcome, votes.weight)
    for a, b, outcome, weight in zip(*(column[order].tolist() for column in columns), strict=True):
        update = k * weight * (outcome - 1 / (1 + 10 ** min((ratings[b] - ratings[a]) / SCALE, MAX_EXPONENT)))
        ratings[a] += update
        ratings[b] -= update
    return np.array(ratings)
