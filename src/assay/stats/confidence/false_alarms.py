"""Where to draw a line so that few of those who have done nothing lie beyond it, and how many do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson

Floats = npt.NDArray[np.float64]
FOLDS = 10


@dataclass(frozen=True)
class FlaggingThreshold:
    """A line above which items are flagged."""

    at: float
    """Flagged is what scores higher, not what scores as much."""
    share: float
    """Of the innocent, the most that were to be flagged."""
    false: Effect
    """Of the innocent, the share above lines that were drawn without them."""
    found: Effect | None
    """Of those that should be flagged, the share above; None where none were given."""


def minimum_items(share: float) -> int:
    """How many innocent items it takes to draw a line for such a share."""
    return math.ceil(round(1 / share, 9)) - 1


def conformal_threshold(innocent: npt.ArrayLike, share: float) -> float:
    """The lowest score of `innocent` (n,) above which a new one of their kind lies with a chance of at most `share`.

    Exact for new items that are drawn as those were, whatever their distribution; of other kinds it says nothing.

    Raises:
        ValueError: `share` is not between 0 and 1, a score is not finite, or there are fewer than `least_for(share)`.

    Source: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World", proposition 4.1 (the rank of a
    new item among n + 1 is uniform).
    """
    scores = np.sort(np.asarray(innocent, dtype=np.float64))[::-1]
    if not 0 < share < 1:
        raise ValueError(f"A share of false alarms is above 0 and below 1, was {share}.")
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"Scores must be finite and (n,), had shape {scores.shape}.")
    allowed = math.floor(round(share * (len(scores) + 1), 9)) - 1
    if allowed < 0:
        raise ValueError(f"A line for {share:.3g} takes {minimum_items(share)} items or more, had {len(scores)}.")
    return float(scores[min(allowed, len(scores) - 1)])


def flagging_threshold(
    innocent: npt.ArrayLike, share: float, flagged: npt.ArrayLike = (), *, seed: int = 0, level: float = 0.95
) -> FlaggingThreshold:
    """The line for `innocent` (n,), and what it does to them and to `flagged` (m,), with Wilson's intervals.

    False alarms are counted on items that had no part in their line: of `FOLDS` parts, drawn by `seed`, each is set
    against the line of the others. They are a little more alike than new ones would be.

    Raises:
        ValueError: As `conformal_threshold`; a tenth more items are needed, as the lines are drawn without a part.
    """
    check_level(level)
    scores = np.asarray(innocent, dtype=np.float64)
    guilty = np.asarray(flagged, dtype=np.float64)
    at = conformal_threshold(scores, share)
    folds = np.random.default_rng(seed).permutation(len(scores)) % FOLDS
    above = sum(
        int((scores[folds == fold] > conformal_threshold(scores[folds != fold], share)).sum())
        for fold in np.unique(folds)
    )
    found = wilson(int((guilty > at).sum()), len(guilty), level) if len(guilty) else None
    return FlaggingThreshold(at, share, wilson(above, len(scores), level), found)
