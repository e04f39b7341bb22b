"""How varied what was kept is, beside as many picked blindly."""

from __future__ import annotations

from assay.analysis.diversity import BLIND, GENERATED, KEPT, MEASURES, Variety
from assay.analysis.format import count, listed, number
from assay.analysis.report_data import ReportFacts
from assay.report.sections.section import Section
from assay.report.template import fill

WHOLE = ("verbs", "pairs", "words")
"""Measures that are counts."""


def variety(facts: ReportFacts) -> Section | None:
    """A line a set and a column a measure."""
    found = facts.variety
    if found is None:
        return None
    names = [name for name in MEASURES if name in found.sets[0].measures]
    rows = [(one, [_cell(found, one.name, name, one.measures.get(name)) for name in names]) for one in found.sets]
    values = {
        "found": found,
        "sentence": sentence(found),
        "names": [_title(found, name) for name in names],
        "rows": rows,
    }
    return Section("variety", "How varied is what was kept?", fill("variety.html", values))


def sentence(found: Variety) -> str:
    """In which measures the kept set lies above or below every blind pick."""
    kept, generated = found.set(KEPT), found.set(GENERATED)
    assert kept is not None
    assert generated is not None
    if not found.draws:
        return "Everything was kept, so there is nothing to compare it with."
    more = [MEASURES[name] for name, (_, high) in found.spread.items() if kept.measures.get(name, high) > high]
    less = [MEASURES[name] for name, (low, _) in found.spread.items() if kept.measures.get(name, low) < low]
    if not more and not less:
        return f"What was kept is neither more nor less varied than {count(kept.n)} picked blindly."
    parts = [f"more varied in {listed(more)}"] if more else []
    parts += [f"less varied in {listed(less)}"] if less else []
    return f"What was kept is {' and '.join(parts)} than {count(kept.n)} picked blindly."


def _title(found: Variety, name: str) -> str:
    titles = {
        "verbs": "Different verbs",
        "pairs": "Verb and object",
        "words": "Different words",
        "distinct_2": "Distinct-2",
        "clusters": f"Clusters of {found.clusters}",
        "vendi": "Vendi score",
    }
    return titles[name]


def _cell(found: Variety, of: str, name: str, value: float | None) -> tuple[str, str]:
    if value is None:
        return "unknown", ""
    low, high = found.spread.get(name, (None, None)) if of == BLIND else (None, None)
    between = "" if low is None or high is None else f"{_number(name, low)} to {_number(name, high)}"
    return _number(name, value), between


def _number(name: str, value: float) -> str:
    return count(round(value)) if name in WHOLE else number(value)
