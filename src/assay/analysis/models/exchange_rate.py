"""Exchange rate: the number of real samples that give the accuracy of the generated ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.analysis.finished_run import FinishedRun
from assay.analysis.proof import measure_of
from assay.core.arms import is_curve
from assay.core.effect import Effect
from assay.core.lab import hash_seed
from assay.pipeline.plan import main_arm
from assay.pipeline.stages.stage import train_id
from assay.stats.scaling.power_law import exchange_rate as rate_of
from assay.stats.scaling.power_law import power_law, stops_helping

GOAL = 0.9
"""Accuracy for which the needed number of samples is estimated."""
STEP = 0.01
"""Minimum gain in accuracy from doubling the number of samples."""


@dataclass(frozen=True)
class CurveEstimate:
    """A number of samples read off a fitted curve; None for an end that the curve never reaches."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    level: float
    method: str
    interval: bool = True
    """False if the curve has as many parameters as measurements, so that there is no interval."""


@dataclass(frozen=True)
class ExchangeRate:
    """Equivalent number of real samples of an arm's generated samples."""

    arm: str
    samples: int
    accuracy: float
    equivalent: CurveEstimate
    """Real samples that give the same accuracy."""
    rate: CurveEstimate
    """Real samples per generated sample."""
    goal: float
    """An accuracy."""
    needed: CurveEstimate
    """Real samples for `goal`."""
    saturation: CurveEstimate
    """Real samples beyond which doubling gains less than one percentage point."""
    curve: tuple[tuple[int, float], ...]
    """(real samples, accuracy) of each training."""
    floor: float
    """Error rate in the limit of many samples."""
    scale: float
    exponent: float


def exchange_rate(run: FinishedRun) -> ExchangeRate | None:
    """Fit a power law to trainings on real samples and read off the exchange rate; None with fewer than 3 sizes."""
    proof = run.recipe.prove
    if proof is None or not run.once(measure_of).proportion:
        return None
    real_arms = [name for name in proof.trained if is_curve(name) or name in ("real", "real-few-shot")]
    arm = main_arm(proof)
    sizes = {name: _count(run, name) for name in {*real_arms, arm}}
    points = [(sizes[name], float(correct.mean())) for name in real_arms for correct in run.correct(name)]
    if len({size for size, _ in points}) < 3 or arm in real_arms:
        return None
    errors = [max(1 - accuracy, 0.5 / len(run.holdout)) for _, accuracy in points]
    fitted = power_law([size for size, _ in points], errors, seed=hash_seed(run.recipe.seed, "curve") % 2**32)
    accuracy = float(run.correct(arm).mean())
    return ExchangeRate(
        arm=arm,
        samples=sizes[arm],
        accuracy=accuracy,
        equivalent=curve_estimate(fitted.effect(lambda curve: curve.needed(1 - accuracy))),
        rate=curve_estimate(rate_of(fitted, 1 - accuracy, sizes[arm])),
        goal=GOAL,
        needed=curve_estimate(fitted.effect(lambda curve: curve.needed(1 - GOAL))),
        saturation=curve_estimate(fitted.effect(lambda curve: stops_helping(curve, STEP))),
        curve=tuple(sorted(points)),
        floor=fitted.curve.floor,
        scale=fitted.curve.scale,
        exponent=fitted.curve.exponent,
    )


def curve_estimate(effect: Effect) -> CurveEstimate:
    """Convert an effect to a number of samples in which infinity is None."""
    ends = [None if value is None or not math.isfinite(value) else value for value in (effect.low, effect.high)]
    estimate = effect.estimate if math.isfinite(effect.estimate) else None
    return CurveEstimate(estimate, ends[0], ends[1], effect.n, effect.level, effect.method, effect.low is not None)


def _count(run: FinishedRun, arm: str) -> int:
    receipt = run.stages[str(train_id(arm))].receipt
    assert receipt is not None, "a finished run has every receipt"
    return receipt.counts["samples"]
