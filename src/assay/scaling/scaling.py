"""Scaling laws of accuracy or loss, fitted to several runs or a table of measurements."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from assay.analysis.models.exchange_rate import STEP, CurveEstimate, curve_estimate
from assay.core.arms import is_curve
from assay.core.errors import FieldError, UserError, did_you_mean
from assay.stats.scaling.chinchilla import Chinchilla, chinchilla
from assay.stats.scaling.power_law import Fitted, Jump, PowerLaw, emergence, power_law, stops_helping

REAL = ("real", "real-few-shot")
"""Arms on the learning curve of real samples, in addition to those of `prove.curve`."""
NAMES = ("floor", "a", "alpha", "b", "beta")
SMALLEST_LOSS = 1e-4
"""Minimum error rate, since the logarithm of zero is undefined."""


@dataclass(frozen=True)
class ScalingPoint:
    """One measurement of a scaling curve."""

    size: float
    loss: float
    """Error rate or loss."""
    arm: str = ""
    smoother: float | None = None
    """Continuous metric of the same model, higher is better; distinguishes emergence from artifacts."""


@dataclass(frozen=True)
class Scaling:
    """A fitted scaling law with derived quantities."""

    points: tuple[ScalingPoint, ...]
    floor: CurveEstimate
    scale: CurveEstimate
    exponent: CurveEstimate
    goal: float
    """Target loss."""
    needed: CurveEstimate
    """Size that reaches the target."""
    more: CurveEstimate
    """Difference between that size and the largest measured size."""
    stops: CurveEstimate
    """Size from which doubling reduces the loss by less than 1 pp."""
    worth: Mapping[str, CurveEstimate]
    """Equivalent number of samples by arm (exchange rate)."""
    jump: Jump | None


def points_of(paths: Sequence[Path]) -> list[ScalingPoint]:
    """Read measurements from finished run folders and .csv or .jsonl files.

    A table has the columns size, and loss or accuracy; optionally arm and smoother.

    Raises:
        UserError: A path is neither, or a column is missing or not numeric.
    """
    return [point for path in paths for point in (_of_run(path) if path.is_dir() else _of_table(path))]


def scaling(points: Sequence[ScalingPoint], arm: str, goal: float, seed: int = 0) -> Scaling:
    """Fit a scaling law to the measurements of `arm` ("" without arms; "real" with its whole curve).

    Raises:
        UserError: There are fewer than three different sizes.
    """
    chosen = [point for point in points if point.arm == arm or (arm == "real" and _is_real(point.arm))]
    if len({point.size for point in chosen}) < 3:
        arms = sorted({point.arm for point in points if point.arm})
        raise UserError(
            f"A scaling law needs three different sizes of {arm or 'measurements'}, got "
            f"{len({p.size for p in chosen})}.",
            hint=did_you_mean(arm, arms) if arm and arm not in arms else "Measure more sizes (recipes: prove.curve).",
        )
    try:
        fitted = power_law([p.size for p in chosen], [max(p.loss, SMALLEST_LOSS) for p in chosen], seed=seed)
    except ValueError as error:
        raise UserError(f"{arm or 'The table'}: {error}") from error
    largest = max(point.size for point in chosen)
    others: dict[str, list[float]] = {}
    for point in points:
        if point.arm and point not in chosen:
            others.setdefault(point.arm, []).append(point.loss)
    return Scaling(
        points=tuple(chosen),
        floor=curve_estimate(fitted.effect(lambda curve: curve.floor)),
        scale=curve_estimate(fitted.effect(lambda curve: curve.scale)),
        exponent=curve_estimate(fitted.effect(lambda curve: curve.exponent)),
        goal=goal,
        needed=curve_estimate(fitted.effect(lambda curve: curve.needed(goal))),
        more=curve_estimate(fitted.effect(lambda curve: max(0.0, curve.needed(goal) - largest))),
        stops=curve_estimate(fitted.effect(lambda curve: stops_helping(curve, STEP))),
        worth={name: _worth(fitted, losses) for name, losses in others.items()},
        jump=_jump(chosen),
    )


def _worth(fitted: Fitted[PowerLaw], losses: Sequence[float]) -> CurveEstimate:
    """Equivalent number of samples for the mean loss of several trainings."""
    loss = sum(losses) / len(losses)
    return curve_estimate(fitted.effect(lambda curve: curve.needed(loss)))


def _is_real(arm: str) -> bool:
    return arm in REAL or is_curve(arm)


def _jump(points: Sequence[ScalingPoint]) -> Jump | None:
    """Emergence test on the means by size; needs at least five sizes."""
    sizes = sorted({point.size for point in points})
    if len(sizes) < 5:
        return None
    groups = [[point for point in points if point.size == size] for size in sizes]
    hard = [sum(1 - point.loss for point in group) / len(group) for group in groups]
    smooth = [[point.smoother for point in group if point.smoother is not None] for group in groups]
    whole = all(len(values) == len(group) for values, group in zip(smooth, groups, strict=True))
    return emergence(sizes, hard, [sum(values) / len(values) for values in smooth] if whole else None)


def chinchilla_of(path: Path, flops: float | None) -> dict[str, Any]:
    """Fit the Chinchilla law to a table of parameters, tokens and loss; optionally the optimal split of `flops`.

    Raises:
        UserError: A column is missing or not numeric, or there are fewer than six rows.
    """
    rows = _rows(path)
    columns = [[_number(row, name, path) for row in rows] for name in ("parameters", "tokens", "loss")]
    try:
        fitted = chinchilla(*columns)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    quantities: dict[str, Callable[[Chinchilla], float]] = {name: attrgetter(name) for name in NAMES}
    if flops is not None:
        quantities["parameters"] = lambda curve: curve.best_split(flops)[0]
        quantities["tokens"] = lambda curve: curve.best_split(flops)[1]
    intervals = {name: asdict(curve_estimate(fitted.effect(of))) for name, of in quantities.items()}
    coefficients = {name: intervals[name]["estimate"] for name in NAMES}
    split = None if flops is None else {name: intervals[name]["estimate"] for name in ("parameters", "tokens")}
    return {**coefficients, "measurements": len(rows), "best_split": split, "intervals": intervals}


def _of_run(folder: Path) -> list[ScalingPoint]:
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(f"{folder} contains no results.json.", hint="Give the folder of a finished run.")
    results = json.loads(path.read_text(encoding="utf-8"))
    points = [
        ScalingPoint(float(arm["n_samples"]), 1 - value if results["measure"]["proportion"] else value, arm["name"])
        for arm in results["arms"]
        for value in arm["seed_results"]
    ]
    # Points of the learning curve that are not arms of the proof.
    measured = {(point.size, round(point.loss, 12)) for point in points if _is_real(point.arm)}
    extra = (results.get("exchange_rate") or {}).get("curve", [])
    return points + [
        ScalingPoint(float(size), 1 - share, "real")
        for size, share in extra
        if (size, round(1 - share, 12)) not in measured
    ]


def _of_table(path: Path) -> list[ScalingPoint]:
    points = []
    for row in _rows(path):
        loss = _number(row, "loss", path) if "loss" in row else 1 - _share(row, path)
        smoother = _number(row, "smoother", path) if row.get("smoother") not in (None, "") else None
        points.append(ScalingPoint(_number(row, "size", path), loss, str(row.get("arm") or ""), smoother))
    return points


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            return list(csv.DictReader(text.splitlines()))
        return [dict(json.loads(line)) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read as a run, a .csv or a .jsonl file: {error}.") from error


def _share(row: Mapping[str, Any], path: Path) -> float:
    if not 0 <= (value := _number(row, "accuracy", path)) <= 1:
        raise UserError(f"{path}: accuracy must be between 0 and 1, got {value:g}.", hint="For 80% write 0.8.")
    return value


def _number(row: Mapping[str, Any], name: str, path: Path) -> float:
    if name not in row:
        raise FieldError(f"{path} has no column {name!r}.", hint=did_you_mean(name, row))
    try:
        return float(row[name])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {name} must be a number, got {row[name]!r}.") from error
