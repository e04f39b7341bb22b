"""Sections of the proof: accuracy by training set, comparisons, limitations, accuracy by label, loss curves."""

from __future__ import annotations

from math import isfinite

from assay.analysis import verdict
from assay.analysis.measures import ProofMeasure
from assay.analysis.proof import Arm, ArmComparison, readable
from assay.analysis.report_data import ReportData
from assay.core.arms import is_base
from assay.report.charts import Strip, arm_class, loss_axes, loss_plot, ruler, strip, strip_axis
from assay.report.document import Section
from assay.report.template import fill

EQUAL = {
    "steps": "All arms are trained for the same number of optimizer steps, regardless of their number of samples.",
    "samples": "All arms are trained for the same number of optimizer steps and on the same number of samples, unless "
    "the arm's name states otherwise.",
}
NOT_TRAINED = " The base model is not trained."
TONES = {"helped": "helped", "hurt": "hurt", "no significant difference": "unclear"}


def arms(data: ReportData) -> Section | None:
    """Draw the result of every arm as a table with a plot."""
    if not data.arms:
        return None
    first = data.arm(data.comparisons[0].ours) if data.comparisons else data.arms[0]
    measure = data.measure
    others = [arm.result for arm in data.arms if arm is not first]
    axis = strip_axis([measure.plot_effect(effect) for effect in (first.result, *others)])
    rows = [(arm, arm_class(arm.name), strip(_strip_of(arm, measure), axis)) for arm in data.arms]
    values = {
        "data": data,
        "first": first,
        "several_seeds": any(len(arm.seeds) > 1 for arm in data.arms),
        "rows": rows,
        "ruler": ruler(axis, "%" if measure.proportion else ""),
        "equal": EQUAL[data.equal] + (NOT_TRAINED if any(is_base(arm.name) for arm in data.arms) else ""),
    }
    name = verdict.sentence_start(measure.name)
    return Section("arms", f"{name} by training set", fill("proof/arms.html", values))


def _strip_of(arm: Arm, measure: ProofMeasure) -> Strip:
    return Strip(
        f"{readable(arm.name)}: {measure.name} {measure.value(arm.result)}, interval {measure.between(arm.result)}",
        measure.plot_effect(arm.result),
        arm_class(arm.name),
        tuple(measure.plot_value(value) for value in arm.seed_results) if len(arm.seeds) > 1 else (),
    )


def comparisons(data: ReportData) -> Section | None:
    """Draw every comparison of two arms with its interval and verdict."""
    if not data.comparisons:
        return None
    measure = data.measure
    axis = strip_axis([measure.plot_effect(pair.difference) for pair in data.comparisons], signed=True)
    rows = [
        (pair, TONES[pair.verdict], strip(_strip_between(pair, measure), axis, zero=0.0)) for pair in data.comparisons
    ]
    values = {"data": data, "measure": measure, "rows": rows, "ruler": ruler(axis, "")}
    return Section("comparisons", "Comparisons of training sets", fill("proof/comparisons.html", values))


def _strip_between(pair: ArmComparison, measure: ProofMeasure) -> Strip:
    gap, between = measure.gap(pair.difference), measure.gap_between(pair.difference)
    label = f"{readable(pair.ours)} minus {readable(pair.theirs)}: {gap}, interval {between}"
    return Strip(label, measure.plot_effect(pair.difference), TONES[pair.verdict])


def limitations(data: ReportData) -> Section | None:
    """List the limitations of the run."""
    return Section("limitations", "Limitations", fill("proof/limitations.html", {"limits": verdict.limits(data)}))


def per_class(data: ReportData) -> Section | None:
    """Draw accuracy by label, one column per arm."""
    columns = [arm for arm in data.arms if arm.per_class]
    if not columns:
        return None
    labels = list(dict.fromkeys(label for arm in columns for label in arm.per_class))
    rows = [(label, [arm.per_class.get(label) for arm in columns]) for label in labels]
    heads = [(arm.name, arm_class(arm.name)) for arm in columns]
    main = data.arm(data.comparisons[0].ours) if data.comparisons else columns[0]
    lowest = min(main.per_class.items(), key=lambda item: item[1].estimate, default=None)
    values = {"data": data, "heads": heads, "rows": rows, "main": main, "lowest": lowest}
    return Section("per_class", "Accuracy by label", fill("proof/per_class.html", values))


def loss_curves(data: ReportData) -> Section | None:
    """Draw the training loss of every arm on the same axes."""
    axes = loss_axes(data.arms)
    if axes is None:
        return None
    panels = [(arm, arm_class(arm.name), loss_plot(arm, axes), _diverged(arm)) for arm in data.arms if arm.history]
    return Section("loss_curves", "Training loss", fill("proof/loss_curves.html", {"panels": panels}))


def _diverged(arm: Arm) -> tuple[int, ...]:
    """Return the seeds with a loss that is not finite."""
    return tuple(curve.seed for curve in arm.history if not all(isfinite(loss) for _, loss in curve.points))
