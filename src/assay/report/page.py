"""The report of a run: one HTML file without external resources."""

from __future__ import annotations

from markupsafe import Markup

from assay.analysis.report_data import ReportData
from assay.analysis.verdict import HEADLINES, result_sentences
from assay.report.document import document
from assay.report.sections import drawn_sections
from assay.report.template import fill

ICONS = {"helped": "▲", "hurt": "▼", "no significant difference": "○", None: "?"}


def render(data: ReportData) -> str:
    """Render the page as HTML, to be written as UTF-8."""
    return document(data.name, _hero(data), drawn_sections(data))


def _hero(data: ReportData) -> Markup:
    """Draw the head of the page."""
    main = data.comparisons[0] if data.comparisons else None
    values = {
        "data": data,
        "headline": HEADLINES[data.verdict],
        "tone": {"helped": "helped", "hurt": "hurt"}.get(data.verdict or "", "unclear"),
        "icon": ICONS[data.verdict],
        "sentences": result_sentences(data),
        "finished": data.reproduction.finished[:16].replace("T", " "),
        "main": main,
        "ours": data.arm(main.ours) if main else None,
        "theirs": data.arm(main.theirs) if main else None,
    }
    return fill("hero.html", values)
