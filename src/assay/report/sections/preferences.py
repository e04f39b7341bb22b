"""What pairs of answers are like, before anything learns from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from assay.analysis.format import count, listed, number, percent, percent_between, plural
from assay.analysis.preferences import Orders, Preferences
from assay.analysis.report_data import ReportFacts
from assay.core.effect import Effect
from assay.report.axis import axis_between
from assay.report.charts import Strip, ruler, strip
from assay.report.sections.section import Section
from assay.report.template import fill
from assay.stats.ratings.preferences import LabelNoise, RaterAgreement

Cell: TypeAlias = tuple[str, str]
"""What is said, and smaller what is said of it."""
NONE: Cell = ("—", "")
EVEN = 50.0
"""Where nothing tells the two answers apart, in per cent."""


@dataclass(frozen=True)
class _Row:
    """Two rankers, or one asked twice."""

    name: str
    pairs: int
    same: Cell
    kappa: str
    decided: Cell
    right: Cell
    wrong: str


def preferences(facts: ReportFacts) -> Section | None:
    """Length, rankers, and whose answers are preferred."""
    found = facts.preferences
    if found is None:
        return None
    axis = axis_between(0.0, 100.0)
    lengths = [
        (unit, one, strip(Strip(f"{unit}: longer chosen", one.longer_chosen, "arm-filtered"), axis, EVEN))
        for unit, one in found.lengths.items()
        if one.longer_chosen is not None
    ]
    wins = [(one, strip(Strip(f"{one.name} wins", one.rate, "arm-filtered"), axis, EVEN)) for one in found.wins]
    values = {
        "found": found,
        "sentence": sentence(found),
        "warnings": list(warnings(found)),
        "lengths": lengths,
        "wins": wins,
        "raters": [*map(_raters, found.agreements), *map(_order, found.orders)],
        "ruler": ruler(axis, "%"),
    }
    return Section("pairs", "What are the pairs like?", fill("preferences.html", values))


def sentence(found: Preferences) -> str:
    """How many pairs there are, of how many prompts, and why the others are none."""
    if found.doubled is None:
        return f"Of {plural(found.made, 'pair')} none can be learned from.{_why(found)}"
    prompts, most = plural(found.doubled.prompts, "prompt"), found.doubled.most
    of = f" of {prompts}" + (f" (at most {count(most)} of one)" if most > 1 else "")
    return f"{plural(found.kept, 'pair')}{of} {'is' if found.kept == 1 else 'are'} left to learn from.{_why(found)}"


def warnings(found: Preferences) -> Iterator[tuple[str, str]]:
    """(what, why it matters) of what should be looked at before anything is trained."""
    if found.length_tells:
        unit, one = max(found.lengths.items(), key=lambda item: item[1].predicts.estimate)
        right = f"{percent(one.predicts.estimate)} ({percent_between(one.predicts)})"
        more = "more" if one.rule == "longer" else "fewer"
        yield (
            f"Length alone tells which answer was chosen in {right} of pairs.",
            f"Always the one with {more} {unit}. What learns from them may learn length and nothing else.",
        )
    if found.doubled is not None and found.doubled.turned:
        yield (
            f"{plural(found.doubled.turned, 'pair')} contradict each other.",
            "The same two answers to the same prompt stand there both ways round.",
        )
    if found.doubled is not None and (times := found.doubled.repeated):
        yield f"{_many(times, 'pair', 'repeat')} another one.", "What comes twice counts twice."
    if found.cut:
        cut = _many(found.cut, "kept pair", "hold")
        yield f"{cut} an answer that was cut at its token limit.", "ClearPreference(truncated: drop) leaves them out."
    for pair in found.disagreeing:
        yield f"{pair.one} and {pair.other} are not shown to agree more than blind rankers would.", _shown(pair)


def _many(n: int, noun: str, verb: str) -> str:
    """1 pair repeats, 2 pairs repeat."""
    return f"{plural(n, noun)} {verb}{'s' if n == 1 else ''}"


def _why(found: Preferences) -> str:
    said = [f"{name} {count(times)}" for name, times in found.verdicts.items()]
    return f" Nothing was preferred in {count(sum(found.verdicts.values()))}: {listed(said)}." if said else ""


def _shown(pair: RaterAgreement) -> str:
    if pair.decided is None:
        return "There is no pair of which both prefer an answer."
    return (
        f"They prefer the same answer in {percent(pair.decided.estimate)} ({percent_between(pair.decided)}) of pairs."
    )


def _raters(one: RaterAgreement) -> _Row:
    kappa = "not defined" if one.kappa is None else number(one.kappa)
    right, wrong = _noise(one.noise) if one.decided is not None else (NONE, "—")
    return _Row(f"{one.one} and {one.other}", one.pairs, _share(one.same), kappa, _share(one.decided), right, wrong)


def _order(one: Orders) -> _Row:
    right, wrong = _noise(one.noise)
    return _Row(f"{one.judge}, asked in both orders", one.pairs, _share(one.same), "—", NONE, right, wrong)


def _share(effect: Effect | None) -> Cell:
    return NONE if effect is None else (percent(effect.estimate), percent_between(effect))


def _noise(noise: LabelNoise | None) -> tuple[Cell, str]:
    if noise is None:
        return ("not defined", "they disagree more than blind ones"), "—"
    between = "" if noise.low is None or noise.high is None else f"{100 * noise.low:.1f} to {100 * noise.high:.1f}"
    return (percent(noise.right), between), percent(noise.agreed_wrong)
