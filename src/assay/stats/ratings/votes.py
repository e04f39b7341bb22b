"""Votes between two models: who was compared with whom, who won, and what else differed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WON, TIED, LOST = 1.0, 0.5, 0.0
NAMED = 5
"""How many models a message names."""


@dataclass(frozen=True)
class PairwiseVotes:
    """n votes over m models, in the order in which they were cast."""

    models: tuple[str, ...]
    """In alphabetical order."""
    first: Ints
    """(n,), indices of models: the one shown first."""
    second: Ints
    outcome: Floats
    """(n,): WON where the first was preferred, TIED, or LOST."""
    weight: Floats
    """(n,), above zero: how much a vote counts. It stays one vote; a weight of 2 does not make it two raters."""
    covariates: Floats
    """(n, k): in what else the first differed from the second, each column divided by its root mean square."""
    names: tuple[str, ...]
    """Of the covariates."""

    def __len__(self) -> int:
        return len(self.outcome)


def votes(
    first: Sequence[str],
    second: Sequence[str],
    outcomes: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
) -> PairwiseVotes:
    """Checks and collects n votes: names of the two models, the first's outcome (1, 0.5 or 0), weights, covariates.

    A covariate is a difference, first minus second, so that it changes its sign when the two change places. It is
    divided by its root mean square and not centered: taking away its mean, as arena-rank does, would add a constant
    to the odds of whatever was shown first.

    Raises:
        ValueError: There is no vote, lengths differ, a model met itself, an outcome is none, a weight is not above
            zero, or a covariate is not finite or 0 throughout.
    """
    result = np.asarray(outcomes, dtype=np.float64)
    n = len(result)
    if not n or not n == len(first) == len(second):
        raise ValueError(f"Votes need as many models on either side as outcomes, had {len(first)}, {len(second)}, {n}.")
    if not np.isin(result, (WON, TIED, LOST)).all():
        raise ValueError("An outcome is 1 (the first won), 0.5 (a tie) or 0.")
    alike = [a for a, b in zip(first, second, strict=True) if a == b]
    if alike:
        raise ValueError(f"A model cannot be compared with itself, as {alike[0]!r} was.")
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (n,) or not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("Weights must be finite, above zero, and one a vote.")
    given = covariates or {}
    models = sorted({*first, *second})
    place = {name: nth for nth, name in enumerate(models)}
    columns = [_scaled(name, values, n) for name, values in given.items()]
    return PairwiseVotes(
        models=tuple(models),
        first=np.array([place[name] for name in first], dtype=np.int64),
        second=np.array([place[name] for name in second], dtype=np.int64),
        outcome=result,
        weight=weight,
        covariates=np.stack(columns, axis=1) if columns else np.empty((n, 0)),
        names=tuple(given),
    )


@dataclass(frozen=True)
class Cells:
    """Votes that cannot be told apart, counted: what the likelihood needs. The first index is the smaller one."""

    models: tuple[str, ...]
    a: Ints
    b: Ints
    outcome: Floats
    weight: Floats
    """Of one vote."""
    covariates: Floats
    count: Floats
    """How many votes there were; a resample changes nothing else."""


def cells(cast: PairwiseVotes) -> Cells:
    """Counts the votes of each pair, outcome and weight; with covariates every vote is a cell of its own."""
    turned = cast.first > cast.second
    a, b = np.where(turned, cast.second, cast.first), np.where(turned, cast.first, cast.second)
    outcome = np.where(turned, LOST + WON - cast.outcome, cast.outcome)
    covariates = np.where(turned[:, None], -cast.covariates, cast.covariates)
    one, count = np.arange(len(cast)), np.ones(len(cast))
    if not cast.names:
        _, heavy = np.unique(cast.weight, return_inverse=True)
        # One whole number for each kind of vote: sorting those is far faster than sorting rows.
        kind = ((a * len(cast.models) + b) * 3 + (2 * outcome).astype(np.int64)) * (heavy.max() + 1) + heavy
        _, one, counts = np.unique(kind, return_index=True, return_counts=True)
        count = counts.astype(np.float64)
    return Cells(cast.models, a[one], b[one], outcome[one], cast.weight[one], covariates[one], count)


def connected(counted: Cells) -> bool:
    """Whether every model has beaten or tied every other one, directly or through others, and been beaten or tied so.

    Source: Ford 1957, "Solution of a ranking problem from binary comparisons"; a tie counts as half a win each.
    """
    beat = beaten(counted)
    return _reaches_all(beat) and _reaches_all(beat.T)


def _reaches_all(graph: npt.NDArray[np.bool_]) -> bool:
    """Whether every model can be reached from the first."""
    reached = np.zeros(len(graph), dtype=bool)
    new = reached.copy()
    new[0] = True
    while new.any():
        reached |= new
        new = graph[new].any(axis=0) & ~reached
    return bool(reached.all())


def why_no_maximum(counted: Cells) -> str:
    """What stands against finite strengths, naming models; "" where the votes are `connected`."""
    from scipy.sparse.csgraph import connected_components

    beat = beaten(counted)
    parts, part = connected_components(beat, directed=True, connection="strong")
    if parts == 1:
        return ""
    groups, group = connected_components(beat, directed=False)
    if groups > 1:
        named = " and ".join(_named(counted.models, group == nth) for nth in range(min(groups, 3)))
        return f"The votes fall into {groups} groups of models that never met: {named}{' ...' if groups > 3 else ''}."
    across = part[:, None] != part[None, :]
    wins, losses = (beat & across).any(axis=1), (beat & across).any(axis=0)
    unbeaten = [not losses[part == nth].any() for nth in range(parts)]
    winless = [not wins[part == nth].any() for nth in range(parts)]
    told = [
        f"{_named(counted.models, np.isin(part, np.flatnonzero(which)))} never {what}"
        for which, what in ((unbeaten, "lost to any other"), (winless, "won against any other"))
    ]
    return f"No finite strengths: {' and '.join(told)}, not even a tie."


def beaten(counted: Cells) -> npt.NDArray[np.bool_]:
    """(m, m): whether the row's model beat or tied the column's at least once."""
    found = np.zeros((len(counted.models), len(counted.models)), dtype=bool)
    there = counted.count > 0
    won, lost = there & (counted.outcome > LOST), there & (counted.outcome < WON)
    found[counted.a[won], counted.b[won]] = True
    found[counted.b[lost], counted.a[lost]] = True
    return found


def _named(models: Sequence[str], which: npt.NDArray[np.bool_]) -> str:
    names = [repr(name) for name, one in zip(models, which, strict=True) if one]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _scaled(name: str, values: npt.ArrayLike, n: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,) or not np.isfinite(column).all():
        raise ValueError(f"The covariate {name!r} must be finite and one number a vote.")
    size = float(np.sqrt((column**2).mean()))
    if size == 0:
        raise ValueError(f"The covariate {name!r} is 0 in every vote: there is nothing to control for.")
    return column / size
