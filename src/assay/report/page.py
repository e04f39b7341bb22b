"""The report of a run: one HTML file without external resources."""

from __future__ import annotations

from assay.analysis.report_data import ReportData
from assay.report.document import document
from assay.report.sections import drawn_sections
from assay.report.sections.hero import hero


def render(data: ReportData) -> str:
    """Render the page as HTML, to be written as UTF-8."""
    return document(data.name, hero(data), drawn_sections(data))
