"""What was watched while models learned from preferences and rewards, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from assay.core.curves import CURVE_INFO, HELD_OUT, WATCH
from assay.core.effect import Effect
from assay.stats.confidence.calibration import Calibration
from assay.stats.inference.verdict import Verdict

FIRST = ("reward", "held-out accuracy", "held-out margin", "margin", "kl", "length")
"""Drawn first, in this order; then what was watched and not trained on, then the rest behind a click."""


@dataclass(frozen=True)
class Line:
    """One training."""

    seed: int
    points: tuple[tuple[int, float], ...]
    """(step, value), steps rising; steps at which nothing was measured are left out."""


@dataclass(frozen=True)
class WatchedCurve:
    """One thing that was watched, at every step."""

    name: str
    """A word of `core.curves.CURVE_INFO`, or one that `WATCH` or `HELD_OUT` begins, or any other a trainer writes."""
    lines: tuple[Line, ...]
    rise: Effect | None = None
    """How far a straight line through all steps goes up, from the first to the last, all trainings together; None for
    what was measured too seldom."""

    @property
    def title(self) -> str:
        """Its name as the page has it."""
        return self.name.replace("kl", "KL") if self.name.removeprefix(HELD_OUT) == "kl" else self.name

    @property
    def said(self) -> str:
        """What it means, in words."""
        bare = self.name.removeprefix(HELD_OUT)
        if self.name.startswith(WATCH):
            return "looked at in the answers of a step, and not trained on"
        known = CURVE_INFO[bare].said if bare in CURVE_INFO else ""
        return f"{known}, on what was held out" if known and bare != self.name else known

    @property
    def unit(self) -> str:
        """Of its values; "" where it has none."""
        bare = self.name.removeprefix(HELD_OUT)
        return CURVE_INFO[bare].unit if bare in CURVE_INFO else ""


@dataclass(frozen=True)
class HeldOutPairs:
    """What a model says of pairs whose prompts it did not learn from. Intervals take the pairs of a prompt together."""

    pairs: int
    prompts: int
    accuracy_before: Effect
    accuracy: Effect
    """Share of pairs in which the chosen answer is rated higher; equal ratings count half."""
    margin: Effect
    """Mean rating of the chosen less that of the rejected answer, after training."""
    rise: Effect
    """By how much the margin rose in training."""
    calibration: Calibration
    """Of P(chosen) = sigmoid(margin)."""


@dataclass(frozen=True)
class HeldOutRewards:
    """What a model's answers earn to prompts that it did not learn from."""

    prompts: int
    """Those that could be rewarded both times."""
    before: Effect
    after: Effect
    rise: Effect
    sampled: int = 0
    """Answers to a prompt, sampled as in training; 0 for the greedy one."""


@dataclass(frozen=True)
class Side:
    """Something other than the reward, that a hacked reward is paid for with."""

    name: str
    verdict: Verdict
    """Of the trained model beside the one it started from, or of the end of training beside its beginning."""


@dataclass(frozen=True)
class Hacking:
    """Whether the reward rose while something else that is wanted fell (Amodei et al. 2016; Gao et al. 2023)."""

    reward: Effect | None
    """The rise of the reward over the steps of training; None where there were too few."""
    sides: tuple[Side, ...]
    held_out: Effect | None = None
    """The rise of what answers to held-out prompts earn; None where that was not looked at."""

    @property
    def rose(self) -> bool:
        """Whether the interval of either rise lies above zero."""
        return any(one is not None and one.low is not None and one.low > 0 for one in (self.reward, self.held_out))

    @property
    def fell(self) -> tuple[str, ...]:
        """What got worse."""
        return tuple(side.name for side in self.sides if side.verdict == "hurt")

    @property
    def flagged(self) -> bool:
        """Whether that looks like hacking."""
        return self.rose and bool(self.fell)


@dataclass(frozen=True)
class Learning:
    """One arm, or one of the recipe's own models, and how it learned."""

    name: str
    trainer: str
    """The component, such as "PPO"."""
    arm: bool
    curves: tuple[WatchedCurve, ...] = ()
    held_out: HeldOutPairs | None = None
    held_out_rewards: HeldOutRewards | None = None
    hacking: Hacking | None = None
    """None where nothing was rewarded."""

    def curve(self, name: str) -> WatchedCurve | None:
        """What was watched under this name."""
        return next((one for one in self.curves if one.name == name), None)
