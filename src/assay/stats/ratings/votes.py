"""Pairwise votes: the two models, the outcome, a weight and covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WON, TIED, LOST = 1.0, 0.5, 0.0
NAMED = 5
"""Maximum number of models that a message names."""


@dataclass(frozen=True)
class PairwiseVotes:
    """n votes over m models, in chronological order."""

    models: tuple[str, ...]
    """In alphabetical order."""
    first: Ints
    """(n,), indices of the models in the first position."""
    second: Ints
    outcome: Floats
    """(n,): WON if the first model was preferred, TIED, or LOST."""
    weight: Floats
    """(n,), above zero. A weight of 2 counts as one vote of double weight, not as two raters."""
    covariates: Floats
    """(n, k): differences of the first minus the second answer, each column divided by its root mean square."""
    names: tuple[str, ...]
    """Names of the covariates."""

    def __len__(self) -> int:
        return len(self.outcome)


def votes(
    first: Sequence[str],
    second: Sequence[str],
    outcomes: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
) -> PairwiseVotes:
    """Validate n votes: names of the two models, outcomes of the first (1, 0.5 or 0), weights, covariates.

    A covariate is a difference, first minus second, so its sign changes when the positions are swapped. It is divided
    by its root mean square and not centered: centering, as in arena-rank, would add a constant to the odds of the first
    position.

    Raises:
        ValueError: No votes, different lengths, a model compared with itself, an invalid outcome, a weight that is not
            positive, or a covariate that is not finite or always 0.
    """
    result = np.asarray(outcomes, dtype=np.float64)
    n = len(result)
    if not n or not n == len(first) == len(second):
        raise ValueError(f"Expected n >= 1 first, second and outcomes, had {len(first)}, {len(second)}, {n}.")
    if not np.isin(result, (WON, TIED, LOST)).all():
        raise ValueError("outcomes must be 1 (the first won), 0.5 (a tie) or 0.")
    alike = [a for a, b in zip(first, second, strict=True) if a == b]
    if alike:
        raise ValueError(f"Model {alike[0]!r} is compared with itself.")
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (n,) or not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("weights must be finite, positive, and one per vote.")
    models = sorted({*first, *second})
    place = {name: nth for nth, name in enumerate(models)}
    columns = [_scaled(name, values, n) for name, values in (covariates or {}).items()]
    return PairwiseVotes(
        models=tuple(models),
        first=np.array([place[name] for name in first], dtype=np.int64),
        second=np.array([place[name] for name in second], dtype=np.int64),
        outcome=result,
        weight=weight,
        covariates=np.stack(columns, axis=1) if columns else np.empty((n, 0)),
        names=tuple(covariates or ()),
    )


@dataclass(frozen=True)
class Cells:
    """Counts of identical votes, the sufficient statistic of the likelihood; a < b."""

    models: tuple[str, ...]
    a: Ints
    b: Ints
    outcome: Floats
    weight: Floats
    """Weight of one vote."""
    covariates: Floats
    count: Floats
    """Number of votes; the only field that differs in a bootstrap resample."""


def cells(votes: PairwiseVotes) -> Cells:
    """Count the votes of each pair, outcome and weight; with covariates each vote is one cell."""
    swapped = votes.first > votes.second
    a, b = np.where(swapped, votes.second, votes.first), np.where(swapped, votes.first, votes.second)
    outcome = np.where(swapped, LOST + WON - votes.outcome, votes.outcome)
    covariates = np.where(swapped[:, None], -votes.covariates, votes.covariates)
    rows, count = np.arange(len(votes)), np.ones(len(votes))
    if not votes.names:
        _, weight_ids = np.unique(votes.weight, return_inverse=True)
        # One integer per kind of vote, since sorting integers is far faster than sorting rows.
        kind = ((a * len(votes.models) + b) * 3 + (2 * outcome).astype(np.int64)) * (weight_ids.max() + 1) + weight_ids
        _, rows, counts = np.unique(kind, return_index=True, return_counts=True)
        count = counts.astype(np.float64)
    return Cells(votes.models, a[rows], b[rows], outcome[rows], votes.weight[rows], covariates[rows], count)


class NoMaximumError(ValueError):
    """The likelihood of the votes has no finite maximum.

    `cause`: some models never lost or never won ("separated"), there are groups of models without common votes
    ("groups"), or the fit diverged ("diverged").
    """

    def __init__(self, cause: Literal["separated", "groups", "diverged"], message: str) -> None:
        super().__init__(message)
        self.cause = cause


def no_maximum(counts: Cells) -> NoMaximumError | None:
    """Error, with names of models, if no finite maximum exists; None if it does.

    It exists if the graph of wins, with a tie as an edge in both directions, is strongly connected.

    Source: Ford 1957, "Solution of a ranking problem from binary comparisons".
    """
    from scipy.sparse.csgraph import connected_components

    beat = beaten(counts)
    parts, part = connected_components(beat, directed=True, connection="strong")
    if parts == 1:
        return None
    groups, group = connected_components(beat, directed=False)
    if groups > 1:
        names = " and ".join(_named(counts.models, group == nth) for nth in range(min(groups, 3)))
        more = " ..." if groups > 3 else ""
        message = f"The votes fall into {groups} groups of models without common votes: {names}{more}."
        return NoMaximumError("groups", message)
    across = part[:, None] != part[None, :]
    wins, losses = (beat & across).any(axis=1), (beat & across).any(axis=0)
    unbeaten = [not losses[part == nth].any() for nth in range(parts)]
    winless = [not wins[part == nth].any() for nth in range(parts)]
    reasons = [
        f"{_named(counts.models, np.isin(part, np.flatnonzero(which)))} never {what}"
        for which, what in ((unbeaten, "lost to any other"), (winless, "won against any other"))
    ]
    return NoMaximumError("separated", f"No finite strengths: {' and '.join(reasons)}, without a tie.")


def beaten(counts: Cells) -> npt.NDArray[np.bool_]:
    """Adjacency matrix (m, m): whether the model of the row beat or tied that of the column at least once."""
    edges = np.zeros((len(counts.models), len(counts.models)), dtype=bool)
    present = counts.count > 0
    won, lost = present & (counts.outcome > LOST), present & (counts.outcome < WON)
    edges[counts.a[won], counts.b[won]] = True
    edges[counts.b[lost], counts.a[lost]] = True
    return edges


def _named(models: Sequence[str], which: npt.NDArray[np.bool_]) -> str:
    names = [repr(name) for name, selected in zip(models, which, strict=True) if selected]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _scaled(name: str, values: npt.ArrayLike, n: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,) or not np.isfinite(column).all():
        raise ValueError(f"Covariate {name!r} must be finite, with one number per vote.")
    size = float(np.sqrt((column**2).mean()))
    if size == 0:
        raise ValueError(f"Covariate {name!r} is 0 in every vote. Remove it.")
    return column / size
