"""One standalone page from the facts of a run, and the same numbers for programs."""

from __future__ import annotations

from assay.analysis.report_data import ReportFacts
from assay.analysis.results import to_results
from assay.report.page import render

__all__ = ["ReportFacts", "render", "to_results"]
