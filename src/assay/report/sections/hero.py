"""Head of the page: question, verdict, result, and key numbers."""

from __future__ import annotations

from markupsafe import Markup

from assay.analysis.report_data import ReportData
from assay.analysis.verdict import HEADLINES, result_sentence
from assay.report.template import fill

ICONS = {"helped": "▲", "hurt": "▼", "no significant difference": "○", None: "?"}


def hero(data: ReportData) -> Markup:
    """Draw the head of the page."""
    main = data.comparisons[0] if data.comparisons else None
    values = {
        "data": data,
        "headline": HEADLINES[data.verdict],
        "tone": {"helped": "helped", "hurt": "hurt"}.get(data.verdict or "", "unclear"),
        "icon": ICONS[data.verdict],
        "answer": result_sentence(data),
        "main": main,
        "ours": data.arm(main.ours) if main else None,
        "theirs": data.arm(main.theirs) if main else None,
    }
    return fill("hero.html", values)
