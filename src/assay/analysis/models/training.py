"""Training curves, held-out preference pairs and rewards, and checks for reward hacking."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy import stats

from assay.analysis.finished_run import FinishedRun
from assay.analysis.models.answers import other_measures, pairwise_comparisons
from assay.analysis.proof import comparisons
from assay.core.arms import BASE, OWN, is_base
from assay.core.curves import CURVE_INFO, CURVES_FILE, HELD_OUT_PREFIX, WATCH_PREFIX, Curves
from assay.core.effect import Effect
from assay.core.recipe import Proof
from assay.pipeline.plan import PlannedStage
from assay.pipeline.recipe.references import referenced_models
from assay.pipeline.stages.stage import model_id, train_id
from assay.stats.confidence.calibration import Calibration, calibration
from assay.stats.inference.compare import Verdict
from assay.stats.inference.intervals import grouped_mean, grouped_proportion

PAIRS_FILE, REWARDS_FILE = "held-out.json", "held-out-rewards.json"
MIN_STEPS = 6
"""Minimum number of measured steps of a training for the estimate of a change."""
LEVEL = 0.95
TIMES = ("before", "after")
MAIN_CURVES = ("reward", "held-out accuracy", "held-out margin", "margin", "kl", "length")
"""Curves drawn first, in this order; the others follow, collapsed."""


@dataclass(frozen=True)
class CurveLine:
    """One curve of one training."""

    seed: int
    points: tuple[tuple[int, float], ...]
    """(step, value), steps rising, without steps that were not measured."""


@dataclass(frozen=True)
class TrainingCurve:
    """One quantity over the training steps."""

    name: str
    """Key of `core.curves.CURVE_INFO`, with or without prefix `WATCH_PREFIX` or `HELD_OUT_PREFIX`, or any other name of
    a trainer."""
    lines: tuple[CurveLine, ...]
    rise: Effect | None = None
    """Change from the first to the last step by a linear fit over all trainings; None with too few measurements."""

    @property
    def title(self) -> str:
        """Heading on the page."""
        if self.name.startswith(WATCH_PREFIX):
            return f"{self.name.removeprefix(WATCH_PREFIX)} (monitored)"
        return self.name.replace("kl", "KL") if self.name.removeprefix(HELD_OUT_PREFIX) == "kl" else self.name

    @property
    def description(self) -> str:
        """Meaning of the quantity."""
        bare = self.name.removeprefix(HELD_OUT_PREFIX)
        if self.name.startswith(WATCH_PREFIX):
            return "measured on the answers of each step, not optimized"
        meaning = CURVE_INFO[bare].description if bare in CURVE_INFO else ""
        return f"{meaning}, on held-out data" if meaning and bare != self.name else meaning

    @property
    def unit(self) -> str:
        """Unit of the values; may be empty."""
        bare = self.name.removeprefix(HELD_OUT_PREFIX)
        return CURVE_INFO[bare].unit if bare in CURVE_INFO else ""


@dataclass(frozen=True)
class HeldOutPairs:
    """Ratings of preference pairs with held-out prompts. Intervals are clustered by prompt."""

    pairs: int
    prompts: int
    accuracy_before: Effect
    accuracy: Effect
    """Fraction of pairs in which the chosen answer is rated higher; ties count one half."""
    margin: Effect
    """Mean rating of the chosen minus the rejected answer, after training."""
    rise: Effect
    """Change of the margin in training."""
    calibration: Calibration
    """Calibration of P(chosen) = sigmoid(margin)."""


@dataclass(frozen=True)
class RewardChange:
    """Mean reward on held-out prompts before and after training."""

    prompts: int
    """Prompts with a reward before and after training."""
    before: Effect
    after: Effect
    rise: Effect
    sampled: int = 0
    """Sampled answers per prompt; 0 for one greedy answer."""


@dataclass(frozen=True)
class SideMetric:
    """A metric other than the reward, at whose expense a hacked reward rises."""

    name: str
    verdict: Verdict
    """Trained model against the model it started from, or end of training against its beginning."""


@dataclass(frozen=True)
class RewardHacking:
    """Check for reward hacking: the reward rose while another metric fell (Amodei et al. 2016; Gao et al. 2023)."""

    reward: Effect | None
    """Change of the reward over the training steps; None with too few steps."""
    sides: tuple[SideMetric, ...]
    held_out: Effect | None = None
    """Change of the mean reward on held-out prompts; None if not measured."""

    @property
    def rose(self) -> bool:
        """Whether the interval of either change lies above zero."""
        return any(rise is not None and rise.low is not None and rise.low > 0 for rise in (self.reward, self.held_out))

    @property
    def fell(self) -> tuple[str, ...]:
        """Metrics that got worse."""
        return tuple(side.name for side in self.sides if side.verdict == "hurt")

    @property
    def flagged(self) -> bool:
        """Whether the reward rose and another metric fell."""
        return self.rose and bool(self.fell)


@dataclass(frozen=True)
class TrainingRecord:
    """Training of one arm, or of one of the recipe's own models."""

    name: str
    trainer: str
    """Component, such as "PPO"."""
    arm: bool
    curves: tuple[TrainingCurve, ...] = ()
    held_out: HeldOutPairs | None = None
    held_out_rewards: RewardChange | None = None
    hacking: RewardHacking | None = None
    """None without a reward."""

    def curve(self, name: str) -> TrainingCurve | None:
        """Return the curve of that name."""
        return next((curve for curve in self.curves if curve.name == name), None)


def training(run: FinishedRun) -> tuple[TrainingRecord, ...]:
    """Analyze every training with curves or held-out pairs: the recipe's own models first, then the arms."""
    records = [_own_model_record(run, name) for name in run.recipe.models if str(model_id(name)) in run.stages]
    proof = run.recipe.prove
    for arm in proof.arms if proof else ():
        assert proof is not None, "arms need a proof"
        if is_base(arm) or proof.arm(arm).kind == OWN:
            continue
        stages = [run.stages[str(train_id(name, nth))] for name, nth in proof.cells if name == arm]
        sides = tuple(_side_metrics(proof, arm, run))
        records.append(_record(arm, run.recipe.trainer(arm), stages, sides, arm=True))
    return tuple(record for record in records if record.curves or record.held_out)


def _own_model_record(run: FinishedRun, name: str) -> TrainingRecord:
    return _record(name, run.recipe.models[name].train, [run.stages[str(model_id(name))]], (), arm=False)


def _record(
    name: str, trainer: object, stages: Sequence[PlannedStage], sides: Sequence[SideMetric], *, arm: bool
) -> TrainingRecord:
    folders = [stage.folder for stage in stages]
    curves, rewards = _curves(folders), _rewards(folders)
    hacking = _hacking(trainer, curves, rewards, sides)
    return TrainingRecord(name, type(trainer).__name__, arm, curves, _pairs(folders), rewards, hacking)


def _curves(folders: Sequence[Path]) -> tuple[TrainingCurve, ...]:
    """Read the curves of all trainings, in the order of the first training."""
    trainings = [
        msgspec.json.decode((folder / CURVES_FILE).read_bytes(), type=Curves)
        for folder in folders
        if (folder / CURVES_FILE).is_file()
    ]
    training_curves = []
    for name in dict.fromkeys(name for curves in trainings for name in curves.values):
        measured = {seed: curves for seed, curves in enumerate(trainings) if name in curves.values}
        lines = tuple(CurveLine(seed, _points(curves, name)) for seed, curves in measured.items())
        steps, values = zip(*((curves.steps, curves.values[name]) for curves in measured.values()), strict=True)
        training_curves.append(TrainingCurve(name, lines, _rise(steps, values)))
    return tuple(training_curves)


def _points(curves: Curves, name: str) -> tuple[tuple[int, float], ...]:
    return tuple(
        (step, value) for step, value in zip(curves.steps, curves.values[name], strict=True) if value is not None
    )


def _rise(steps: Sequence[Sequence[int]], rows: Sequence[Sequence[float | None]]) -> Effect | None:
    """Estimate the change from the first to the last step by a linear fit, with Student's interval.

    All trainings share one slope; each has its own intercept.
    """
    x, y = list[float](), list[float]()
    for training_steps, values in zip(steps, rows, strict=True):
        points = [(step, value) for step, value in zip(training_steps, values, strict=True) if value is not None]
        if points:
            mean = np.mean(points, axis=0)
            x += [step - float(mean[0]) for step, _ in points]
            y += [value - float(mean[1]) for _, value in points]
    trainings = sum(any(value is not None for value in values) for values in rows)
    degrees_of_freedom = len(x) - trainings - 1
    if len(x) < MIN_STEPS * max(1, trainings) or degrees_of_freedom < 1:
        return None
    sum_of_squares = float(np.dot(x, x))
    slope = float(np.dot(x, y)) / sum_of_squares
    residuals = np.asarray(y) - slope * np.asarray(x)
    standard_error = math.sqrt(float(residuals @ residuals) / degrees_of_freedom / sum_of_squares)
    half_width = float(stats.t.ppf(0.5 + LEVEL / 2, degrees_of_freedom)) * standard_error
    range_of_steps = max(max(training_steps) - min(training_steps) for training_steps in steps)
    low, rise, high = ((slope + offset) * range_of_steps for offset in (-half_width, 0.0, half_width))
    return Effect(rise, low, high, len(x), LEVEL, "linear fit over the steps")


def _pairs(folders: Sequence[Path]) -> HeldOutPairs | None:
    """Evaluate held-out pairs by their mean margin over trainings."""
    by_training = _read_rows(folders, PAIRS_FILE)
    if not by_training:
        return None
    before, after = (_means(by_training, time) for time in TIMES)
    prompts = [str(row["prompt"]) for row in by_training[0]]
    logits = np.stack([after, np.zeros(len(after))], axis=1)
    return HeldOutPairs(
        pairs=len(after),
        prompts=len(set(prompts)),
        accuracy_before=grouped_proportion([_win(margin) for margin in before], prompts),
        accuracy=grouped_proportion([_win(margin) for margin in after], prompts),
        margin=grouped_mean(after, prompts),
        rise=grouped_mean([new - old for old, new in zip(before, after, strict=True)], prompts),
        calibration=calibration(logits, [0] * len(after), bins=max(1, min(10, len(after) // 10))),
    )


def _win(margin: float) -> float:
    """Return 1 if the chosen answer is rated higher, one half for a tie, else 0."""
    return 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0


def _rewards(folders: Sequence[Path]) -> RewardChange | None:
    """Compare held-out rewards, averaged over trainings; prompts without every reward are left out."""
    by_training = _read_rows(folders, REWARDS_FILE)
    complete = [
        nth
        for nth in range(len(by_training[0]) if by_training else 0)
        if all(rows[nth][time] is not None for rows in by_training for time in TIMES)
    ]
    if not complete:
        return None
    before, after = (_means([[rows[nth] for nth in complete] for rows in by_training], time) for time in TIMES)
    prompts = [str(by_training[0][nth]["prompt"]) for nth in complete]
    changes = [new - old for old, new in zip(before, after, strict=True)]
    first, last, rise = (grouped_mean(values, prompts) for values in (before, after, changes))
    return RewardChange(len(complete), first, last, rise, int(by_training[0][0].get("sampled", 0)))


def _read_rows(folders: Sequence[Path], name: str) -> list[list[Mapping[str, Any]]]:
    """Read the rows of a JSON file of each training that has one."""
    trainings = [
        json.loads((folder / name).read_text(encoding="utf-8")) for folder in folders if (folder / name).is_file()
    ]
    assert all(row[time] is None or math.isfinite(row[time]) for rows in trainings for row in rows for time in TIMES), (
        "held-out values are finite"
    )
    return [rows for rows in trainings if rows]


def _means(by_training: Sequence[Sequence[Mapping[str, Any]]], time: str) -> list[float]:
    return [float(np.mean([rows[nth][time] for rows in by_training])) for nth in range(len(by_training[0]))]


def _hacking(
    trainer: object, curves: Sequence[TrainingCurve], rewards: RewardChange | None, sides: Sequence[SideMetric]
) -> RewardHacking | None:
    reward = next((curve.rise for curve in curves if curve.name == "reward"), None)
    if reward is None and rewards is None:
        return None
    watched: Mapping[str, Any] = getattr(trainer, "watch", {})
    monitored = []
    for curve in curves:
        name = curve.name.removeprefix(WATCH_PREFIX)
        if curve.name.startswith(WATCH_PREFIX) and curve.rise is not None and name in watched:
            verdict = _verdict(curve.rise, watched[name].scale.better)
            monitored.append(SideMetric(f"{name} (monitored in training)", verdict))
    return RewardHacking(reward, (*monitored, *sides), None if rewards is None else rewards.rise)


def _verdict(rise: Effect, better: str) -> Verdict:
    assert rise.low is not None, "a rise has an interval"
    assert rise.high is not None, "a rise has an interval"
    if better == "neither" or rise.low <= 0 <= rise.high:
        return "no significant difference"
    return "helped" if (rise.low > 0) == (better == "higher") else "hurt"


def _side_metrics(proof: Proof, arm: str, run: FinishedRun) -> Iterator[SideMetric]:
    """Yield the proof's verdicts on an arm against the model it started from, or against the base model."""
    starts = [name for name in referenced_models(run.recipe.trainer(arm)) if name in proof.arms]
    start = starts[0] if starts else BASE
    rewarded = getattr(run.recipe.trainer(arm), "reward", None)
    by_reward = {
        name for name, scorer in proof.measures.items() if rewarded and getattr(scorer, "model", "") == rewarded
    }
    others = {result.measure.name: result.comparisons for result in run.once(other_measures)}
    by_measure = {"the proof's measure": run.once(comparisons), **others}
    for name, pairs in by_measure.items():
        for pair in pairs if name not in by_reward else ():
            if (pair.ours, pair.theirs) == (arm, start):
                yield SideMetric(name, pair.verdict)
    for comparison in run.once(pairwise_comparisons):
        if (comparison.ours, comparison.theirs) == (arm, start):
            yield SideMetric("the judge", comparison.verdict)
