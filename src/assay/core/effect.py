"""Effect: a number that is honest about how sure it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """An estimate or a difference, its interval, and how it was computed.

    `low` and `high` are None where n < 2: one observation has no interval.
    """

    estimate: float
    low: float | None
    high: float | None
    n: int
    level: float
    method: str

    def __post_init__(self) -> None:
        if self.n < 2 and (self.low is not None or self.high is not None):
            raise ValueError(f"No interval below n = 2, had n = {self.n}.")
