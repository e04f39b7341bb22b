"""Sections on cost, provenance and reproduction."""

from __future__ import annotations

from assay.analysis.report_data import ReportData
from assay.report.document import Section
from assay.report.template import fill


def cost(data: ReportData) -> Section | None:
    """Draw time, throughput, tokens and price by stage."""
    stages = data.cost.stages
    if not stages:
        return None
    paid = any(stage.tokens != 0 or stage.dollars != 0 for stage in stages)
    values = {"cost": data.cost, "paid": paid, "machine": data.reproduction.machine}
    return Section("cost", "Cost", fill("run/cost.html", values))


def provenance(data: ReportData) -> Section | None:
    """Draw real data, models and synthetic fractions."""
    provenance = data.provenance
    if not provenance.data and not provenance.models:
        return None
    columns = {name: any(getattr(model, name) for model in provenance.models) for name in ("note", "digest")}
    return Section(
        "provenance", "Provenance", fill("run/provenance.html", {"provenance": provenance, "columns": columns})
    )


def reproduction(data: ReportData) -> Section | None:
    """Show the command, recipe and versions that reproduce the run."""
    return Section("reproduction", "Reproduction", fill("run/reproduction.html", {"reproduction": data.reproduction}))
