"""From the notes of trainings to what the page says of how models learned from preferences and rewards."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy import stats

from assay.analysis.finished_run import Finished
from assay.analysis.learning import Hacking, HeldOutPairs, HeldOutRewards, Learning, Line, Side, WatchedCurve
from assay.analysis.proof import Comparison, Duel, OtherMeasure
from assay.core.arms import BASE, OWN, is_base
from assay.core.curves import FILE, WATCH, Curves
from assay.core.effect import Effect
from assay.core.recipe import Proof
from assay.pipeline.plan import Placed
from assay.pipeline.recipe.trained import named
from assay.pipeline.stages.stage import model_id, train_id
from assay.stats.confidence.calibration import calibration
from assay.stats.inference.grouped import grouped_mean, grouped_share
from assay.stats.inference.verdict import Verdict

PAIRS, REWARDS = "held-out.json", "held-out-rewards.json"
LEAST = 6
"""Steps of a training that it takes to say whether something rises."""
LEVEL = 0.95
SIDES = ("before", "after")


def learned(
    run: Finished,
    comparisons: Sequence[Comparison],
    others: Sequence[OtherMeasure],
    duels: Sequence[Duel],
) -> tuple[Learning, ...]:
    """Every model whose training left curves or held-out pairs: the recipe's own first, then the arms."""
    found = [_own(run, name) for name in run.recipe.models if str(model_id(name)) in run.done]
    proof = run.recipe.prove
    for arm in proof.arms if proof else ():
        assert proof is not None, "there are no arms without a proof"
        if is_base(arm) or proof.arm(arm).kind == OWN:
            continue
        stages = [run.done[str(train_id(name, nth))] for name, nth in proof.cells if name == arm]
        sides = tuple(_sides(proof, arm, run, comparisons, others, duels))
        found.append(_learning(arm, run.recipe.trainer(arm), stages, sides, arm=True))
    return tuple(one for one in found if one.curves or one.held_out)


def _own(run: Finished, name: str) -> Learning:
    return _learning(name, run.recipe.models[name].train, [run.done[str(model_id(name))]], (), arm=False)


def _learning(name: str, trainer: object, stages: Sequence[Placed], sides: Sequence[Side], *, arm: bool) -> Learning:
    curves = _curves([stage.folder for stage in stages])
    folders = [stage.folder for stage in stages]
    earned = _rewards(folders)
    return Learning(
        name, type(trainer).__name__, arm, curves, _pairs(folders), earned, _hacking(trainer, curves, earned, sides)
    )


def _curves(folders: Sequence[Path]) -> tuple[WatchedCurve, ...]:
    """Each name that any training has, in the order of the first."""
    found = [
        msgspec.json.decode((folder / FILE).read_bytes(), type=Curves)
        for folder in folders
        if (folder / FILE).is_file()
    ]
    names = dict.fromkeys(name for one in found for name in one.values)
    return tuple(
        WatchedCurve(
            name,
            tuple(Line(seed, _points(one, name)) for seed, one in enumerate(found) if name in one.values),
            _rise(*zip(*((one.steps, one.values[name]) for one in found if name in one.values), strict=True)),
        )
        for name in names
    )


def _points(curves: Curves, name: str) -> tuple[tuple[int, float], ...]:
    return tuple(
        (step, value) for step, value in zip(curves.steps, curves.values[name], strict=True) if value is not None
    )


def _rise(steps: Sequence[Sequence[int]], rows: Sequence[Sequence[float | None]]) -> Effect | None:
    """How far a straight line through all steps goes up, from the first to the last, with Student's interval.

    Each training has a line of its own, all with one slope: every step says something, however few there are.
    """
    x, y = list[float](), list[float]()
    for at, row in zip(steps, rows, strict=True):
        known = [(step, one) for step, one in zip(at, row, strict=True) if one is not None]
        if known:
            middle = np.mean(known, axis=0)
            x += [step - float(middle[0]) for step, _ in known]
            y += [one - float(middle[1]) for _, one in known]
    trainings = sum(any(one is not None for one in row) for row in rows)
    freedom = len(x) - trainings - 1
    if len(x) < LEAST * max(1, trainings) or freedom < 1:
        return None
    spread = float(np.dot(x, x))
    slope = float(np.dot(x, y)) / spread
    off = np.asarray(y) - slope * np.asarray(x)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * math.sqrt(float(off @ off) / freedom / spread)
    across = max(max(at) - min(at) for at in steps)
    low, rise, high = ((slope + one) * across for one in (-half, 0.0, half))
    return Effect(rise, low, high, len(x), LEVEL, "straight line through the steps")


def _pairs(folders: Sequence[Path]) -> HeldOutPairs | None:
    """The mean over trainings of what each says of a pair."""
    noted = _noted(folders, PAIRS)
    if not noted:
        return None
    before, after = (_means(noted, side) for side in SIDES)
    prompts = [str(row["prompt"]) for row in noted[0]]
    logits = np.stack([after, np.zeros(len(after))], axis=1)
    return HeldOutPairs(
        pairs=len(after),
        prompts=len(set(prompts)),
        accuracy_before=grouped_share([_worth(one) for one in before], prompts),
        accuracy=grouped_share([_worth(one) for one in after], prompts),
        margin=grouped_mean(after, prompts),
        rise=grouped_mean([new - old for old, new in zip(before, after, strict=True)], prompts),
        calibration=calibration(logits, [0] * len(after), bins=max(1, min(10, len(after) // 10))),
    )


def _worth(margin: float) -> float:
    """Of a pair: 1 where the chosen answer is rated higher, a half where both are rated alike."""
    return 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0


def _rewards(folders: Sequence[Path]) -> HeldOutRewards | None:
    """Likewise of rewards; a prompt that any answer could not be rewarded for is left out."""
    noted = _noted(folders, REWARDS)
    known = [
        nth
        for nth in range(len(noted[0]) if noted else 0)
        if all(rows[nth][side] is not None for rows in noted for side in SIDES)
    ]
    if not known:
        return None
    before, after = (_means([[rows[nth] for nth in known] for rows in noted], side) for side in SIDES)
    prompts = [str(noted[0][nth]["prompt"]) for nth in known]
    risen = [new - old for old, new in zip(before, after, strict=True)]
    first, last, rise = (grouped_mean(values, prompts) for values in (before, after, risen))
    return HeldOutRewards(len(known), first, last, rise, int(noted[0][0].get("sampled", 0)))


def _noted(folders: Sequence[Path], name: str) -> list[list[Mapping[str, Any]]]:
    """What each training noted, as far as it noted anything."""
    found = [json.loads((folder / name).read_text(encoding="utf-8")) for folder in folders if (folder / name).is_file()]
    assert all(row[side] is None or math.isfinite(row[side]) for rows in found for row in rows for side in SIDES), (
        "what is noted are numbers"
    )
    return [rows for rows in found if rows]


def _means(noted: Sequence[Sequence[Mapping[str, Any]]], side: str) -> list[float]:
    return [float(np.mean([rows[nth][side] for rows in noted])) for nth in range(len(noted[0]))]


def _hacking(
    trainer: object, curves: Sequence[WatchedCurve], earned: HeldOutRewards | None, sides: Sequence[Side]
) -> Hacking | None:
    reward = next((one.rise for one in curves if one.name == "reward"), None)
    if reward is None and earned is None:
        return None
    watched: Mapping[str, Any] = getattr(trainer, "watch", {})
    found = []
    for one in curves:
        name = one.name.removeprefix(WATCH)
        if one.name.startswith(WATCH) and one.rise is not None and name in watched:
            found.append(Side(f"{name} (watched in training)", _verdict(one.rise, watched[name].scale.better)))
    return Hacking(reward, (*found, *sides), None if earned is None else earned.rise)


def _verdict(rise: Effect, better: str) -> Verdict:
    assert rise.low is not None, "a rise has an interval"
    assert rise.high is not None, "a rise has an interval"
    if better == "neither" or rise.low <= 0 <= rise.high:
        return "no difference shown"
    return "helped" if (rise.low > 0) == (better == "higher") else "hurt"


def _sides(
    proof: Proof,
    arm: str,
    run: Finished,
    comparisons: Sequence[Comparison],
    others: Sequence[OtherMeasure],
    duels: Sequence[Duel],
) -> Iterator[Side]:
    """What the proof says of an arm beside the model it started from, or beside the base."""
    starts = [name for name in named(run.recipe.trainer(arm)) if name in proof.arms]
    start = starts[0] if starts else BASE
    rewarded = getattr(run.recipe.trainer(arm), "reward", None)
    by_reward = {name for name, one in proof.measures.items() if rewarded and getattr(one, "model", "") == rewarded}
    measured = {"what the proof measures": comparisons, **{one.measure.name: one.comparisons for one in others}}
    measured = {name: pairs for name, pairs in measured.items() if name not in by_reward}
    for name, pairs in measured.items():
        for pair in pairs:
            if (pair.ours, pair.theirs) == (arm, start):
                yield Side(name, pair.verdict)
    for duel in duels:
        if (duel.ours, duel.theirs) == (arm, start):
            yield Side("the judge", duel.verdict)
