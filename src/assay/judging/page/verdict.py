"""What a judging showed, or did not, in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.format import level, percent, percent_between, plural
from assay.core.effect import Effect
from assay.judging.page.audit import by_order, pairs_checks, rate_checks
from assay.judging.results import PairsResult, RateResult
from assay.report.document import Finding, Tone
from assay.stats.ratings.agreement import SelfPreference

NOTHING = "Nothing could be judged"


def pairs_finding(results: Sequence[PairsResult], favors: Sequence[SelfPreference | None]) -> Finding:
    """Of one judge what it prefers and whether to believe it; of several whether they say the same."""
    each = [_pairs(one) for one in results]
    tones, headlines = {tone for tone, _, _ in each}, {headline for _, headline, _ in each}
    sentences = []
    for one, favor, (_, headline, said) in zip(results, favors, each, strict=True):
        own = _believed(one, favor, said, len(results))
        named = f"{one.judge.reference} ({headline[0].lower()}{headline[1:]}):"
        sentences += own if len(results) == 1 else [" ".join([named, *own])]
    headline = headlines.pop() if len(headlines) == 1 else f"{len(results)} judges do not say the same"
    return Finding(tones.pop() if len(tones) == 1 else "unclear", headline, tuple(sentences))


def rate_finding(result: RateResult) -> Finding:
    """The mean grade, and whether grades go with people's."""
    counts, mean = result.counts, result.mean
    if mean is None:
        return Finding("unclear", NOTHING, (_lost(result),))
    between = f" ({mean.low:.2f} to {mean.high:.2f})" if mean.low is not None and mean.high is not None else ""
    grades = [grade for grade, _ in result.grades]
    said = (
        f"{result.judge.reference} gives {plural(counts.scored, 'text')} a mean grade of {mean.estimate:.2f}{between}, "
        f"on a scale of {grades[0]:g} to {grades[-1]:g}."
    )
    people = result.humans.judge if result.humans is not None else None
    tone, headline = _grades_headline(people, mean)
    means = [check.meaning for check in rate_checks(result) if check.name in ("People", "Spread")]
    return Finding(tone, headline, tuple(filter(None, (said, *means, _lost(result)))))


def _grades_headline(people: Effect | None, mean: Effect) -> tuple[Tone, str]:
    if people is None:
        return "unclear", f"Mean grade {mean.estimate:.2f}"
    if people.low is not None and people.low > 0:
        return "helped", "Grades go with people's"
    if people.high is not None and people.high < 0:
        return "hurt", "Grades go against people's"
    return "unclear", "Not shown to go with people"


def _believed(result: PairsResult, favor: SelfPreference | None, said: str, judges: int) -> list[str]:
    """What was preferred, beside what says whether to believe it; order first where it decides."""
    if not result.counts.scored:
        return [said]
    means = {check.name: check.meaning for check in pairs_checks(result, favor, judges)}
    if by_order(result.position):
        return [means["Position"], said, means["People"]]
    length = [means["Length"]] if result.length is not None and result.length.follows_length else []
    return [said, means["Position"], *length, means["People"]]


def _pairs(result: PairsResult) -> tuple[Tone, str, str]:
    if not result.counts.scored:
        return "unclear", NOTHING, _lost(result)
    name, rate = max(result.wins, key=lambda one: one[1].estimate)
    said = f"{name} wins {_share(rate)} of {plural(rate.n, 'pair')}. {_lost(result)}".strip()
    if by_order(result.position):
        return "hurt", "Mostly about order", said
    named = result.wins[0][0] != "output_a" or len(result.wins) > 1
    if not named and result.humans is not None and result.humans.judge is not None:
        return *_beside_people(result.humans.judge), said
    if not named and rate.high is not None and rate.high < 0.5:
        return "unclear", "output_b is preferred", said
    if rate.low is not None and rate.low > 0.5:
        return "unclear", f"{name} is preferred", said
    return "unclear", "No preference shown", said


def _beside_people(judge: Effect) -> tuple[Tone, str]:
    if judge.low is not None and judge.low > 0.5:
        return "helped", "Agrees with people more often than not"
    if judge.high is not None and judge.high < 0.5:
        return "hurt", "Disagrees with people"
    return "unclear", "Not shown to agree with people"


def _share(effect: Effect) -> str:
    if effect.low is None:
        return percent(effect.estimate)
    return f"{percent(effect.estimate)} ({level(effect)} interval {percent_between(effect)})"


def _lost(result: PairsResult | RateResult) -> str:
    counts = result.counts
    if not counts.why:
        return ""
    return (
        f"{counts.n - counts.scored} of {counts.n} could not be scored: {counts.unparsed} unreadable, "
        f"{counts.failed} without answer."
    )
