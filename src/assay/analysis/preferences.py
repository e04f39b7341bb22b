"""What pairs of answers are like, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.core.effect import Effect
from assay.stats.ratings.preferences import Duplication, LabelNoise, LengthStatistics, RaterAgreement, WinRecord

TOLD = 0.6
"""Length alone tells too well which answer was chosen where the whole interval lies above this share."""


@dataclass(frozen=True)
class Orders:
    """A judge that was shown pairs in both orders."""

    judge: str
    pairs: int
    same: Effect
    """Share in which it says the same of both orders."""
    noise: LabelNoise | None
    """At least so much, as its two looks are not independent; None where orders disagree more often than not."""


@dataclass(frozen=True)
class Preferences:
    """What was made, and what is left to learn from."""

    made: int
    """Pairs, those that could not be ranked among them."""
    kept: int
    """Pairs that passed every filter and have a chosen answer."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """Why others have none, most frequent first; before filters."""
    lengths: Mapping[str, LengthStatistics] = field(default_factory=dict)
    """By unit, words and characters, of what was kept; empty where nothing was."""
    doubled: Duplication | None = None
    """Of what was kept."""
    cut: int = 0
    """Kept pairs of which an answer was cut at its token limit."""
    agreements: tuple[RaterAgreement, ...] = ()
    """Of every two rankers, over all pairs that both could rank."""
    alpha: float | None = None
    """Krippendorff's, of all rankers together; None where there are fewer than two, or it is not defined."""
    orders: tuple[Orders, ...] = ()
    wins: tuple[WinRecord, ...] = ()
    """Of answerers against each other; empty where there is only one, or none has a name."""

    @property
    def length_tells(self) -> bool:
        """Whether length alone tells well which answer was chosen."""
        ends = [one.predicts.low for one in self.lengths.values()]
        return any(low is not None and low > TOLD for low in ends)

    @property
    def disagreeing(self) -> tuple[RaterAgreement, ...]:
        """Rankers that are not shown to agree more than blind ones would."""
        return tuple(
            one for one in self.agreements if one.decided is None or one.decided.low is None or one.decided.low <= 0.5
        )
