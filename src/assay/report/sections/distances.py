"""Sections on leakage and on distribution distances."""

from __future__ import annotations

from assay.analysis.report_data import ReportData
from assay.report.document import Section
from assay.report.template import fill


def leakage(data: ReportData) -> Section | None:
    """Draw the number of held-out samples in each training set."""
    if not data.leakage:
        return None
    exact = sum(row.exact for row in data.leakage)
    body = fill("samples/leakage.html", {"rows": data.leakage, "texts": data.only_texts, "exact": exact})
    return Section("leakage", "Data leakage", body)


def distribution_distance(data: ReportData) -> Section | None:
    """Draw the distances of the sets of samples from the held-out real samples."""
    if not data.distribution_distance:
        return None
    body = fill("samples/distribution_distance.html", {"rows": data.distribution_distance})
    return Section("distribution_distance", "Distribution distance", body)
