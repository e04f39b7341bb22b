"""One standalone page from the facts of a run, and the same numbers for programs."""

from __future__ import annotations

from assay.report.facts import ReportFacts
from assay.report.page import render
from assay.report.results import to_results

__all__ = ["ReportFacts", "render", "to_results"]
