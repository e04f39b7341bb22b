"""The blind control: keep as many as another filter would, without looking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import among, draw, groups, quota
from assay.core.roles import Decision, ScoreTable


@dataclass(frozen=True)
class RandomSubset:
    """Keeps a `fraction` of each `per`, or exactly `keep` of each, drawn by a hash of sample and seed.

    A sample's lot does not depend on the other samples, so a larger share keeps all that a smaller one kept.
    """

    fraction: float | None = None
    keep: int | None = None
    """Of each group; all of a group that has fewer."""
    per: str | None = "label"
    """A text field; over all samples together where None."""
    seed: int = 0

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.keep is None):
            raise ValueError(f"RandomSubset needs either fraction or keep, was {self.fraction} and {self.keep}.")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ValueError(f"RandomSubset.fraction must be above 0 and at most 1, was {self.fraction}.")
        if self.keep is not None and self.keep < 0:
            raise ValueError(f"RandomSubset.keep must be at least 0, was {self.keep}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        decisions: dict[int, Decision] = {}
        for name, rows in groups(table, self.per).items():
            count = min(self.keep, len(rows)) if self.keep is not None else quota(self.fraction or 0.0, len(rows))
            for rank, row in enumerate(sorted(rows, key=lambda row: draw(table.ids[row], self.seed)), start=1):
                reason = f"drawn as number {rank} of {len(rows)}"
                decisions[row] = Decision(rank <= count, f"random {count}{among(name)}, seed {self.seed}", reason)
        return [decisions[row] for row in range(len(table))]
