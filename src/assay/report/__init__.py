"""HTML report of a finished run."""

from __future__ import annotations

from assay.analysis.report_data import ReportData
from assay.analysis.results import to_results
from assay.report.page import render

__all__ = ["ReportData", "render", "to_results"]
