"""Section on preference pairs: length bias, ranker agreement, win rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from assay.analysis.format import count, listed, number, percent, percent_between, percent_ci, plural
from assay.analysis.report_data import ReportData
from assay.analysis.samples.preferences import JudgeConsistency, PreferenceStatistics
from assay.core.effect import Effect
from assay.report.axis import axis_between
from assay.report.charts import Strip, ruler, strip
from assay.report.document import Section
from assay.report.template import fill
from assay.stats.ratings.preferences import LabelNoise, RaterAgreement

EstimateCell: TypeAlias = tuple[str, str]
"""Estimate and interval."""
NOT_APPLICABLE: EstimateCell = ("—", "")
CHANCE = 50.0
"""In percent."""
VERDICTS = {"conflict": "position inconsistency"}


@dataclass(frozen=True)
class _Row:
    """Two rankers, or one ranker in both orders."""

    name: str
    pairs: int
    same: EstimateCell
    kappa: str
    decided: EstimateCell
    right: EstimateCell
    wrong: str


def preference_pairs(data: ReportData) -> Section | None:
    """Draw length bias, agreement of the rankers, and win rates."""
    pairs = data.preference_pairs
    if pairs is None:
        return None
    axis = axis_between(0.0, 100.0)
    lengths = [
        (unit, bias, strip(Strip(f"{unit}: longer answer chosen", bias.longer_chosen, "arm-filtered"), axis, CHANCE))
        for unit, bias in pairs.lengths.items()
        if bias.longer_chosen is not None
    ]
    wins = [
        (model, strip(Strip(f"{model.name}: win rate", model.rate, "arm-filtered"), axis, CHANCE))
        for model in pairs.wins
    ]
    values = {
        "pairs": pairs,
        "sentence": sentence(pairs),
        "warnings": list(warnings(pairs)),
        "lengths": lengths,
        "wins": wins,
        "raters": [*map(_agreement, pairs.agreements), *map(_consistency, pairs.orders)],
        "ruler": ruler(axis, "%"),
    }
    return Section("preference_pairs", "Preference pairs", fill("samples/preference_pairs.html", values))


def sentence(pairs: PreferenceStatistics) -> str:
    """State the number of usable pairs and prompts, and why the others are not usable."""
    if pairs.doubled is None:
        return f"No usable pair among {plural(pairs.made, 'pair')}.{_undecided(pairs)}"
    prompts, most = plural(pairs.doubled.prompts, "prompt"), pairs.doubled.most
    of_prompts = f" of {prompts}" + (f" (at most {count(most)} per prompt)" if most > 1 else "")
    return f"{plural(pairs.kept, 'usable pair')}{of_prompts}.{_undecided(pairs)}"


def warnings(pairs: PreferenceStatistics) -> Iterator[tuple[str, str]]:
    """Yield (problem, consequence) of each problem of the pairs."""
    if pairs.length_biased:
        unit, bias = max(pairs.lengths.items(), key=lambda item: item[1].predicts.estimate)
        more = "more" if bias.rule == "longer" else "fewer"
        yield (
            f"Length bias: the answer with {more} {unit} is the chosen one in "
            f"{percent_ci(bias.predicts, n=False)} of pairs.",
            "A model trained on them may learn length only.",
        )
    if pairs.doubled is not None and pairs.doubled.turned:
        yield (
            f"Contradictory: {plural(pairs.doubled.turned, 'pair')}.",
            "The same two answers to the same prompt occur with both preferences.",
        )
    if pairs.doubled is not None and pairs.doubled.repeated:
        yield f"Duplicates: {plural(pairs.doubled.repeated, 'pair')}.", "A duplicate has double weight in training."
    if pairs.cut:
        yield (
            f"Truncated: {plural(pairs.cut, 'kept pair')} with an answer that reached its token limit.",
            "The filter ClearPreference(truncated: drop) removes them.",
        )
    for pair in pairs.disagreeing:
        yield f"The agreement of {pair.one} and {pair.other} is not significantly above chance.", _agreement_rate(pair)


def _undecided(pairs: PreferenceStatistics) -> str:
    reasons = [f"{VERDICTS.get(name, name)} {count(n)}" for name, n in pairs.verdicts.items()]
    return f" No preference in {count(sum(pairs.verdicts.values()))}: {listed(reasons)}." if reasons else ""


def _agreement_rate(pair: RaterAgreement) -> str:
    if pair.decided is None:
        return "No pair has a preference of both."
    return f"Same preferred answer in {percent_ci(pair.decided)} of pairs."


def _agreement(pair: RaterAgreement) -> _Row:
    kappa = "not defined" if pair.kappa is None else number(pair.kappa)
    right, wrong = _noise(pair.noise) if pair.decided is not None else (NOT_APPLICABLE, "—")
    name = f"{pair.one} and {pair.other}"
    return _Row(name, pair.pairs, _fraction(pair.same), kappa, _fraction(pair.decided), right, wrong)


def _consistency(judge: JudgeConsistency) -> _Row:
    right, wrong = _noise(judge.noise)
    name = f"{judge.judge}, both orders"
    return _Row(name, judge.pairs, _fraction(judge.same), "—", NOT_APPLICABLE, right, wrong)


def _fraction(effect: Effect | None) -> EstimateCell:
    return NOT_APPLICABLE if effect is None else (percent(effect.estimate), percent_between(effect))


def _noise(noise: LabelNoise | None) -> tuple[EstimateCell, str]:
    if noise is None:
        return ("not defined", "agreement below chance"), "—"
    between = "" if noise.low is None or noise.high is None else f"{100 * noise.low:.1f}\u2013{100 * noise.high:.1f}"
    return (percent(noise.right), between), percent(noise.agreed_wrong)
