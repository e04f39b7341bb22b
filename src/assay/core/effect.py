"""Effect: an estimate with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """Estimate or difference with its confidence interval and method.

    `low` and `high` are None if n < 2.
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
