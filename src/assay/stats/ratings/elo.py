"""Elo's ratings, one vote after the other; the order of the votes matters."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from assay.stats.ratings.votes import Floats, Ints, PairwiseVotes

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
