"""The page: one HTML file that opens offline, with nothing to fetch.

To add a section: write `def mine(facts: ReportFacts) -> Section | None` in `sections/` and add it to `SECTIONS` there.
"""

from __future__ import annotations

from assay.analysis.report_data import ReportFacts
from assay.report.document import document
from assay.report.sections import SECTIONS
from assay.report.sections.hero import hero


def render(facts: ReportFacts) -> str:
    """The whole page as HTML. Write it with UTF-8."""
    sections = [section for make in SECTIONS if (section := make(facts)) is not None]
    return document(facts.name, hero(facts), sections)
