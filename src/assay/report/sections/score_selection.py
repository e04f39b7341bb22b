"""Section on the selection by each score alone."""

from __future__ import annotations

from assay.analysis.format import NO_INTERVAL, percent
from assay.analysis.report_data import ReportData
from assay.analysis.score_selection import ScorePairOverlap, ScoreSelection
from assay.report.sections.section import Section
from assay.report.template import fill


def score_selection(data: ReportData) -> Section | None:
    """Draw one row per score and one row per pair of scores."""
    selection = data.score_selection
    if selection is None:
        return None
    values = {
        "selection": selection,
        "sentence": sentence(selection),
        "pairs": [(pair, *_rho(pair)) for pair in selection.pairs],
    }
    return Section("score_selection", "Selection by each score", fill("score_selection.html", values))


def sentence(selection: ScoreSelection) -> str:
    """State the pairs of scores with the highest and the lowest overlap, relative to random selection."""
    overlaps = [(pair.overlap.share, pair.overlap.chance, pair) for pair in selection.pairs if pair.overlap is not None]
    if not overlaps:
        return "One of the scores selects nothing, so there is no overlap to compare."
    high, by_chance, most = max(overlaps, key=lambda one: one[0] - one[1])
    overlap = f"{percent(high, 0)} overlap (random selection: {percent(by_chance, 0)})"
    if len(overlaps) == 1:
        return f"{most.first} and {most.second}: {overlap}."
    low, low_chance, least = min(overlaps, key=lambda one: one[0] - one[1])
    return (
        f"Highest overlap: {most.first} and {most.second}, {overlap}. Lowest: {least.first} and {least.second}, "
        f"{percent(low, 0)} (random selection: {percent(low_chance, 0)})."
    )


def _rho(pair: ScorePairOverlap) -> tuple[str, str]:
    rho = pair.rho
    if rho is None:
        return "not defined", "one of the scores is constant"
    interval = f"{_two(rho.low)} to {_two(rho.high)}" if rho.low is not None and rho.high is not None else NO_INTERVAL
    return _two(rho.estimate), interval


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")
