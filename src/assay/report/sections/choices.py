"""The scores beside each other: what each alone would keep."""

from __future__ import annotations

from assay.analysis.choices import Agree, Choices
from assay.analysis.format import percent
from assay.analysis.report_data import ReportFacts
from assay.report.sections.section import Section
from assay.report.template import fill


def choices(facts: ReportFacts) -> Section | None:
    """A line a score and a line a pair of them."""
    found = facts.choices
    if found is None:
        return None
    values = {"found": found, "sentence": sentence(found), "pairs": [(pair, *_rho(pair)) for pair in found.pairs]}
    return Section("choices", "What each score would keep", fill("choices.html", values))


def sentence(found: Choices) -> str:
    """The pairs that choose most and least alike, beside what picking blindly gives."""
    told = [(pair.shared.share, pair.shared.chance, pair) for pair in found.pairs if pair.shared is not None]
    if not told:
        return "One of the scores chooses nothing, so there is nothing to compare."
    share, chance, pair = max(told, key=lambda one: one[0] - one[1])
    same = f"{percent(share, 0)} of what they would keep is the same, where picking blindly gives {percent(chance, 0)}."
    if len(told) == 1:
        return f"{pair.ours} and {pair.theirs}: {same}"
    least, by_chance, other = min(told, key=lambda one: one[0] - one[1])
    return (
        f"{pair.ours} and {pair.theirs} agree most: {same} {other.ours} and {other.theirs} agree least: "
        f"{percent(least, 0)}, where it gives {percent(by_chance, 0)}."
    )


def _rho(pair: Agree) -> tuple[str, str]:
    rho = pair.rho
    if rho is None:
        return "none", "one of them does not vary where both are known"
    between = f"{_two(rho.low)} to {_two(rho.high)}" if rho.low is not None and rho.high is not None else "no interval"
    return _two(rho.estimate), between


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")
