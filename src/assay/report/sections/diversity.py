"""Section on the diversity of the kept texts."""

from __future__ import annotations

from assay.analysis.format import count, listed, number
from assay.analysis.report_data import ReportData
from assay.analysis.samples.diversity import GENERATED, KEPT, MEASURES, RANDOM, Diversity
from assay.report.document import Section
from assay.report.template import fill

COUNTS = ("verbs", "pairs", "words")
"""Measures that are whole numbers."""


def diversity(data: ReportData) -> Section | None:
    """Draw one row per set and one column per measure."""
    texts = data.diversity
    if texts is None:
        return None
    names = [name for name in MEASURES if name in texts.sets[0].measures]
    rows = [(row, [_cell(texts, row.name, name, row.measures.get(name)) for name in names]) for row in texts.sets]
    values = {
        "texts": texts,
        "sentence": sentence(texts),
        "names": [_title(texts, name) for name in names],
        "rows": rows,
    }
    return Section("diversity", "Diversity", fill("samples/diversity.html", values))


def sentence(texts: Diversity) -> str:
    """State the measures by which the kept set is above or below every random subset."""
    kept, generated = texts.set(KEPT), texts.set(GENERATED)
    assert kept is not None
    assert generated is not None
    if not texts.draws:
        return "Every sample was kept, so there is no comparison with random subsets."
    more = [MEASURES[name] for name, (_, high) in texts.spread.items() if kept.measures.get(name, high) > high]
    less = [MEASURES[name] for name, (low, _) in texts.spread.items() if kept.measures.get(name, low) < low]
    size = f"random subsets of {count(kept.n)} texts"
    if not more and not less:
        return f"The kept texts are as diverse as {size}."
    parts = [f"more diverse in {listed(more)}"] if more else []
    parts += [f"less diverse in {listed(less)}"] if less else []
    return f"The kept texts are {' and '.join(parts)} than {size}."


def _title(texts: Diversity, name: str) -> str:
    titles = {
        "verbs": "Distinct verbs",
        "pairs": "Verb-object pairs",
        "words": "Distinct words",
        "distinct_2": "Distinct-2",
        "clusters": f"Clusters of {texts.clusters}",
        "vendi": "Vendi score",
    }
    return titles[name]


def _cell(texts: Diversity, set_name: str, name: str, value: float | None) -> tuple[str, str]:
    if value is None:
        return "not measured", ""
    low, high = texts.spread.get(name, (None, None)) if set_name == RANDOM else (None, None)
    between = "" if low is None or high is None else f"{_number(name, low)}\u2013{_number(name, high)}"
    return _number(name, value), between


def _number(name: str, value: float) -> str:
    return count(round(value)) if name in COUNTS else number(value)
