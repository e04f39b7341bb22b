"""Training curves: metrics per step, with names that trainers and the report share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CURVES_FILE = "curves.json"
"""File of the curves, next to `history.json`."""
WATCH_PREFIX = "watch "
"""Prefix of metrics that are not trained on, such as "watch checker"."""
REWARD_PREFIX = "reward "
"""Prefix of one of several rewards, unweighted, such as "reward format"."""
HELD_OUT_PREFIX = "held-out "
"""Prefix of metrics on held-out data."""


@dataclass(frozen=True)
class CurveInfo:
    """Description and unit of a metric."""

    description: str
    unit: str = ""


CURVE_INFO: Mapping[str, CurveInfo] = {
    "reward": CurveInfo("mean reward of the answers of a step, as it is trained on, without any penalty"),
    "kl": CurveInfo("Kullback-Leibler divergence from the reference model, summed over an answer", "nats an answer"),
    "kl weight": CurveInfo("what the divergence is multiplied by before it is taken from the reward"),
    "length": CurveInfo("mean length of an answer", "tokens"),
    "ended": CurveInfo("share of answers that ended by themselves"),
    "entropy": CurveInfo("mean entropy of the next token", "nats a token"),
    "alike": CurveInfo("share of prompts whose answers were all rewarded alike: they teach nothing"),
    "clipped": CurveInfo("share of tokens whose ratio to the old policy was clipped"),
    "value loss": CurveInfo("mean squared error of the value head"),
    "accuracy": CurveInfo("share of pairs in which the chosen answer is rated higher"),
    "margin": CurveInfo("mean rating of the chosen answer minus that of the rejected one"),
    "chosen": CurveInfo("mean implicit reward of chosen answers"),
    "rejected": CurveInfo("mean implicit reward of rejected answers"),
}
"""Metrics by name, without `WATCH_PREFIX` or `HELD_OUT_PREFIX`; `REWARD_PREFIX` precedes a name of the recipe."""


@dataclass(frozen=True)
class Curves:
    """Values by name, one per step; None if not measured at that step."""

    steps: tuple[int, ...]
    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, row in self.values.items():
            if len(row) != len(self.steps):
                raise ValueError(f"Curves.values[{name!r}] must have {len(self.steps)} values, had {len(row)}.")
            if any(value is not None and not math.isfinite(value) for value in row):
                raise ValueError(f"Curves.values[{name!r}] must be finite.")


def curves_of(rows: Sequence[Mapping[str, float]]) -> Curves:
    """Curves from one mapping per step, each with its "step"; missing values are None."""
    names = dict.fromkeys(name for row in rows for name in row if name != "step")
    return Curves(
        tuple(int(row["step"]) for row in rows), {name: tuple(row.get(name) for row in rows) for name in names}
    )
