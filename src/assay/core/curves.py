"""What is watched while a model learns, step by step: the words that trainers and the report share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FILE = "curves.json"
"""Where a trainer leaves them, beside `history.json`."""
WATCH = "watch "
"""Begins the name of what was looked at and not trained on, such as "watch checker"."""
REWARD = "reward "
"""Begins the name of one reward among several, such as "reward format", before its weight."""
HELD_OUT = "held-out "
"""Begins the name of what was measured on held-out data."""


@dataclass(frozen=True)
class CurveInfo:
    """One thing that is watched."""

    said: str
    """Such as "mean reward of a step's answers"."""
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
"""Name to what it means; `WATCH` or `HELD_OUT` may stand before one, and `REWARD` before a name of the recipe."""


@dataclass(frozen=True)
class Curves:
    """Values by name, one a step; None where it was not measured, as held-out data in most steps."""

    steps: tuple[int, ...]
    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, row in self.values.items():
            if len(row) != len(self.steps):
                raise ValueError(f"Curves.values[{name!r}] must have {len(self.steps)} values, had {len(row)}.")
            if any(one is not None and not math.isfinite(one) for one in row):
                raise ValueError(f"Curves.values[{name!r}] must be finite.")


def curves_of(rows: Sequence[Mapping[str, float]]) -> Curves:
    """From one mapping a step, each with its "step"; what a row lacks is None there."""
    names = dict.fromkeys(name for row in rows for name in row if name != "step")
    return Curves(
        tuple(int(row["step"]) for row in rows), {name: tuple(row.get(name) for row in rows) for name in names}
    )
