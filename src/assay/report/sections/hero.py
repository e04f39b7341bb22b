"""The first screen: the question, the answer, the numbers it rests on."""

from __future__ import annotations

from markupsafe import Markup

from assay.analysis import derived
from assay.analysis.report_data import ReportFacts
from assay.analysis.verdict import HEADLINES, answer_sentence
from assay.report.template import fill


def hero(facts: ReportFacts) -> Markup:
    """The head of the page, above all sections."""
    main = facts.comparisons[0] if facts.comparisons else None
    values = {
        "facts": facts,
        "headline": HEADLINES[facts.verdict],
        "tone": {"helped": "helped", "hurt": "hurt"}.get(facts.verdict or "", "unclear"),
        "icon": {"helped": "▲", "hurt": "▼", "no difference shown": "○", None: "?"}[facts.verdict],
        "answer": answer_sentence(facts),
        "main": main,
        "ours": facts.arm(main.ours) if main else None,
        "theirs": facts.arm(main.theirs) if main else None,
        "kept_share": derived.kept_share(facts),
        "seconds": derived.total_seconds(facts),
    }
    return fill("hero.html", values)
