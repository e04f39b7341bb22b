"""From a finished run's folder to what its data are worth: leaks, distances of sets, and the exchange rate."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from assay.analysis.finished_run import Finished
from assay.analysis.gather_proof import measure_of
from assay.analysis.robustness import ExchangeRate, Reach, SetDistance
from assay.core.arms import is_curve
from assay.core.effect import Effect
from assay.core.score import Fingerprint
from assay.pipeline.plan import main_arm
from assay.pipeline.stages.arms import hashed
from assay.pipeline.stages.context import outcomes_of
from assay.pipeline.stages.leakage import Leaks, read_leaks
from assay.pipeline.stages.stage import train_id
from assay.stats.distributions.distances import cmmd, density_coverage, duplicate_rate, kid, nearest_rows
from assay.stats.scaling.power_law import exchange_rate, power_law, stops_helping

Floats = npt.NDArray[np.float64]
GOAL = 0.9
STEP = 0.01
LEAST = 10
"""Samples of a set below which its distances are not worth drawing."""


def leakage(run: Finished) -> tuple[Leaks, ...]:
    """What each training set shares with the held-out samples."""
    return tuple(read_leaks(run.done["leakage"].folder)) if "leakage" in run.done else ()


def sets(run: Finished) -> tuple[SetDistance, ...]:
    """How the generated, the kept and other real samples lie about the held-out real ones."""
    proof = run.recipe.prove
    if proof is None or not proof.fingerprint or "embed-holdout" not in run.done:
        return ()
    kept = {row.id for row in run.decisions if row.keep}
    pairs = [
        (s.id, o.vector)
        for s, o in zip(run.samples, run.columns[proof.fingerprint], strict=True)
        if isinstance(o, Fingerprint)
    ]
    found = {
        "generated": _rows([vector for _, vector in pairs]),
        "kept": _rows([vector for id_, vector in pairs if id_ in kept]),
    }
    if "embed-real" in run.done:
        found["real, for training"] = _vectors(run, "embed-real")
    held_out, real = _vectors(run, "embed-holdout"), found.get("real, for training")
    if len(held_out) < LEAST:
        return ()
    seed = hashed(run.recipe.seed, "sets") % 2**32
    return tuple(
        _set(name, rows, held_out, real if name != "real, for training" else None, proof.similarity, seed)
        for name, rows in found.items()
        if len(rows) >= LEAST
    )


def _set(name: str, rows: Floats, held_out: Floats, real: Floats | None, similarity: float, seed: int) -> SetDistance:
    around = density_coverage(held_out, rows)
    return SetDistance(
        name=name,
        n=len(rows),
        kid=kid(rows, held_out, subset=min(500, len(rows), len(held_out)), draws=30, seed=seed),
        cmmd=cmmd(rows, held_out),
        density=around.density,
        coverage=around.coverage,
        expected_density=around.expected_density,
        expected_coverage=around.expected_coverage,
        duplicates=duplicate_rate(rows, similarity),
        nearest_real=None if real is None or len(real) < 1 else float(np.median(nearest_rows(rows, real)[1])),
    )


def _vectors(run: Finished, stage: str) -> Floats:
    return _rows([o.vector for _, o in outcomes_of(run.done[stage].folder) if isinstance(o, Fingerprint)])


def _rows(vectors: list[tuple[float, ...]]) -> Floats:
    return np.asarray(vectors, dtype=np.float64).reshape(len(vectors), -1)


def exchange(run: Finished) -> ExchangeRate | None:
    """How many real samples teach as much as the generated ones; None where no curve was asked for."""
    proof = run.recipe.prove
    if proof is None or not measure_of(run).share:
        return None
    real = [name for name in proof.trained if is_curve(name) or name in ("real", "real-few-shot")]
    arm = main_arm(proof)
    sizes = {name: _count(run, name) for name in {*real, arm}}
    points = [(sizes[name], float(correct.mean())) for name in real for correct in run.correct(name)]
    if len({size for size, _ in points}) < 3 or arm in real:
        return None
    errors = [max(1 - accuracy, 0.5 / len(run.holdout)) for _, accuracy in points]
    fitted = power_law([size for size, _ in points], errors, seed=hashed(run.recipe.seed, "curve") % 2**32)
    accuracy = float(run.correct(arm).mean())
    return ExchangeRate(
        arm=arm,
        samples=sizes[arm],
        accuracy=accuracy,
        worth=reach(fitted.effect(lambda curve: curve.needed(1 - accuracy))),
        rate=reach(exchange_rate(fitted, 1 - accuracy, sizes[arm])),
        goal=GOAL,
        needed=reach(fitted.effect(lambda curve: curve.needed(1 - GOAL))),
        stops=reach(fitted.effect(lambda curve: stops_helping(curve, STEP))),
        curve=tuple(sorted(points)),
        floor=fitted.curve.floor,
        scale=fitted.curve.scale,
        exponent=fitted.curve.exponent,
    )


def reach(effect: Effect) -> Reach:
    """A number of samples, where "never" is None."""
    ends = [None if value is None or not math.isfinite(value) else value for value in (effect.low, effect.high)]
    estimate = effect.estimate if math.isfinite(effect.estimate) else None
    return Reach(estimate, ends[0], ends[1], effect.n, effect.level, effect.method, effect.low is not None)


def _count(run: Finished, arm: str) -> int:
    receipt = run.done[str(train_id(arm))].receipt
    assert receipt is not None, "a finished run has every receipt"
    return receipt.counts["samples"]
