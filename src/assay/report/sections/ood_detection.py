"""Sections on out-of-distribution detection and on calibration with selective prediction."""

from __future__ import annotations

from base64 import b64encode

from markupsafe import Markup

from assay.analysis.models.ood_detection import ModelCalibration
from assay.analysis.proof import readable
from assay.analysis.report_data import ReportData
from assay.report.axis import axis_between, axis_over
from assay.report.charts import reliability_diagram, risk_line
from assay.report.document import Section
from assay.report.sections.samples import is_small
from assay.report.template import fill


def ood_detection(data: ReportData) -> Section | None:
    """Draw OOD detection by model and OOD set."""
    if not data.ood_detection:
        return None
    models = [
        (
            model,
            [{**vars(ood), "main": ood.method == model.method} for ood in model.sets],
            [(ood, b64encode(ood.png).decode("ascii"), is_small(ood.png)) for ood in model.examples],
        )
        for model in data.ood_detection
    ]
    body = fill("models/ood_detection.html", {"data": data, "models": models})
    return Section("ood_detection", "Out-of-distribution detection", body)


def calibration(data: ReportData) -> Section | None:
    """Draw calibration, and the risk-coverage curve of selective prediction."""
    if not data.calibration:
        return None
    rows = [
        (
            model,
            [
                ("before temperature scaling", reliability_diagram(model.before)),
                ("after temperature scaling", reliability_diagram(model.after)),
            ],
        )
        for model in data.calibration
    ]
    values = {"data": data, "rows": rows, "risk": _risk_curves(data)}
    return Section("calibration", "Calibration", fill("models/calibration.html", values))


def _risk_curves(data: ReportData) -> list[tuple[ModelCalibration, Markup]]:
    """Draw risk by coverage for every model, with shared axes."""
    x_axis = axis_between(0, 100, ticks=5)
    y_axis = axis_over([0.0, *(100 * risk for model in data.calibration for risk in model.risk_coverage.risk)], ticks=4)
    panels = []
    for model in data.calibration:
        curve = model.risk_coverage
        points = [(100 * x, 100 * y) for x, y in zip(curve.coverage, curve.risk, strict=True)]
        label = f"{readable(model.model)}: risk-coverage curve"
        panels.append((model, risk_line(points, (x_axis, y_axis), 100 * curve.risk[-1], label)))
    return panels
