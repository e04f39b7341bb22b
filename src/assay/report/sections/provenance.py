"""The record: how training went, what it cost, what went in, how to have it again."""

from __future__ import annotations

from math import isfinite

from assay.analysis import derived
from assay.analysis.proof import Arm
from assay.analysis.report_data import ReportFacts
from assay.report.charts import arm_class, curve_axes, curves
from assay.report.sections.section import Section
from assay.report.template import fill


def training(facts: ReportFacts) -> Section | None:
    """Training loss of every arm on the same axes."""
    axes = curve_axes(facts.arms)
    if axes is None:
        return None
    panels = [(arm, arm_class(arm.name), curves(arm, axes), _diverged(arm)) for arm in facts.arms if arm.history]
    return Section("training", "How training went", fill("training.html", {"panels": panels}))


def _diverged(arm: Arm) -> tuple[int, ...]:
    """The seeds whose loss stopped being a number."""
    return tuple(curve.seed for curve in arm.history if not all(isfinite(loss) for _, loss in curve.points))


def cost(facts: ReportFacts) -> Section | None:
    """Seconds, rates, tokens and dollars by stage."""
    if not facts.stages:
        return None
    values = {
        "rows": [(stage, derived.rate(stage)) for stage in facts.stages],
        "paid": any(stage.tokens != 0 or stage.dollars != 0 for stage in facts.stages),
        "seconds": derived.total_seconds(facts),
        "tokens": derived.total_tokens(facts),
        "dollars": derived.total_dollars(facts),
        "machine": facts.origin.machine,
    }
    return Section("cost", "What it cost", fill("cost.html", values))


def provenance(facts: ReportFacts) -> Section | None:
    """The real data and the models that went in, and how much of what was learned from is synthetic."""
    if not facts.data and not facts.models:
        return None
    noted = {name: any(getattr(one, name) for one in facts.models) for name in ("note", "digest")}
    return Section("provenance", "What went in", fill("provenance.html", {"facts": facts, "noted": noted}))


def origin(facts: ReportFacts) -> Section | None:
    """How to have this run again."""
    return Section("again", "Run it again", fill("origin.html", {"origin": facts.origin}))
