"""What else the proof found in the models' answers: other measures, a judge's verdicts, and the answers themselves."""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.proof import Comparison, OtherMeasure
from assay.analysis.report_data import ReportFacts
from assay.report.charts import arm_class
from assay.report.sections.proof import TONES
from assay.report.sections.section import Section
from assay.report.template import fill


def measures(facts: ReportFacts) -> Section | None:
    """The same answers by other measures, with the comparison that answers the question."""
    return _table(facts, facts.others, "measures", "By other measures", also=False)


def also(facts: ReportFacts) -> Section | None:
    """What every model was measured on beside the question, side by side."""
    return _table(facts, facts.also, "also", "Measured beside", also=True)


def _table(
    facts: ReportFacts, measured: Sequence[OtherMeasure], anchor: str, title: str, *, also: bool
) -> Section | None:
    if not measured:
        return None
    heads = [(arm.name, arm_class(arm.name)) for arm in facts.arms]
    rows = [(one, dict(one.arms), _main(facts, one)) for one in measured]
    values = {"facts": facts, "heads": heads, "rows": rows, "tones": TONES, "also": also}
    return Section(anchor, title, fill("measures.html", values))


def _main(facts: ReportFacts, one: OtherMeasure) -> Comparison | None:
    """The comparison that the question asks for."""
    asked = [(pair.ours, pair.theirs) for pair in facts.comparisons[:1]]
    return next((pair for pair in one.comparisons if (pair.ours, pair.theirs) in asked), None)


def duels(facts: ReportFacts) -> Section | None:
    """Which answers a judge finds better, in both orders and at equal length."""
    if not facts.duels:
        return None
    rows = [(one, arm_class(one.ours), TONES[one.verdict]) for one in facts.duels]
    return Section("duels", "Which answers a judge prefers", fill("duels.html", {"facts": facts, "rows": rows}))


def answers(facts: ReportFacts) -> Section | None:
    """Some held-out tasks with every model's answer."""
    if not facts.answered:
        return None
    heads = {arm.name: arm_class(arm.name) for arm in facts.arms}
    return Section("answers", "What the models answer", fill("answers.html", {"facts": facts, "heads": heads}))
