"""What is to be known of a judge before one believes it: each check with its numbers and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from assay.analysis.format import percent, percent_between, plural, points, points_between
from assay.core.effect import Effect
from assay.judging.page.text import CONTROLLED, same_answers
from assay.judging.results import Humans, PairsResult, RateResult
from assay.stats.ratings.agreement import JudgePositionConsistency, SelfPreference
from assay.stats.ratings.length_control import FEWEST, LengthAudit

SAME = 0.9
"""From this share of texts with one grade on, a judge is said to tell them apart little."""
UNKNOWN = "Nothing was scored, so nothing is known."


@dataclass(frozen=True)
class Number:
    """One number of a check."""

    name: str
    shown: str
    interval: str
    n: int
    effect: Effect | None = None
    """For the plot; None where it is neither a share nor a correlation."""
    share: bool = False


@dataclass(frozen=True)
class Check:
    """One thing that was looked for."""

    name: str
    meaning: str
    """A plain sentence."""
    numbers: tuple[Number, ...] = ()


def pairs_checks(result: PairsResult, favor: SelfPreference | None, judges: int) -> list[Check]:
    """Position, length, self-preference, people and form."""
    found = [_position(result), _length(result), _favor(favor, judges), _people(result)]
    return [*found, *_form(result.mass, "letters")]


def rate_checks(result: RateResult) -> list[Check]:
    """Spread, length, people and form."""
    return [*_spread(result), _rate_length(result.length), _people_grades(result), *_form(result.mass, "grades")]


def by_order(found: JudgePositionConsistency | None) -> bool:
    """Whether more than half of the pairs get another verdict when their order is turned."""
    return found is not None and found.conflict.estimate > 0.5


def _position(result: PairsResult) -> Check:
    found = result.position
    same = "".join(f"{said} " for said in same_answers(result.same))
    if found is None:
        return Check("Position", f"{same}No pair was judged in both orders, so nothing is known.")
    numbers = [
        _share("orders disagree", found.conflict),
        _share("judgments for what is shown first", found.first_place),
    ]
    stuck = found.first_in_conflicts
    if stuck is not None:
        numbers.append(_share("of pairs with one place in both orders: the first", stuck))
    return Check("Position", same + _position_means(found, stuck), tuple(numbers))


def _position_means(found: JudgePositionConsistency, stuck: Effect | None) -> str:
    if stuck is None:
        if found.conflict.estimate == 0:
            return "Both orders agree on every pair: the place played no part here."
        return "The orders disagree only where one of them is a tie: neither place is favored."
    place, share = ("first", stuck.estimate) if stuck.estimate >= 0.5 else ("second", 1 - stuck.estimate)
    said = (
        f"Of {plural(stuck.n, 'pair')} whose verdict turned with their order it chose the {place} answer in "
        f"{percent(share)}: "
    )
    if by_order(found):
        return said + "its verdicts are mostly about order."
    if _above(stuck, 0.5) or _below(stuck, 0.5):
        return said + f"it leans to the {place} place. Asked both ways, that makes ties and no winners."
    return said + "no place is shown to be favored; it wavers."


def _length(result: PairsResult) -> Check:
    found = result.length
    if found is None:
        return Check("Length", "Too few pairs to say.")
    numbers = [_share("longer answer wins", found.longer_preferred)] if found.longer_preferred is not None else []
    numbers += [_rho("preference and characters", found.correlation)] if found.correlation is not None else []
    numbers.append(_share("win rate as it is", found.win_rate))
    numbers += [_share("win rate at equal length", found.length_controlled)] if found.length_controlled else []
    return Check("Length", f"{_length_means(found)} {_controlled(found, result.length_of)}", tuple(numbers))


def _length_means(found: LengthAudit) -> str:
    longer = found.longer_preferred
    if longer is None:
        return "No decided pair has answers of different lengths, so nothing is known."
    if found.follows_length:
        return (
            f"The longer answer wins {percent(longer.estimate)} of {plural(longer.n, 'decided pair')}: either longer "
            "answers are better here, or it pays for length."
        )
    if _below(longer, 0.5):
        return f"The shorter answer wins {percent(1 - longer.estimate)} of {plural(longer.n, 'decided pair')}."
    return "It is not shown to go by length."


def _controlled(found: LengthAudit, whose: str) -> str:
    if found.length_controlled is None or found.shift is None:
        return f"A win rate at equal length needs {FEWEST} pairs with the longer answer on each side."
    change = f"{points(found.shift)} ({points_between(found.shift)})"
    raw, even = percent(found.win_rate.estimate), percent(found.length_controlled.estimate)
    if _above(found.shift, 0) or _below(found.shift, 0):
        return f"Length moves the win rate of {whose} by {change}: {raw} would be {even} at equal length {CONTROLLED}."
    return f"At equal length the {raw} of {whose} would be {even} {CONTROLLED}; no difference is shown, {change}."


def _favor(found: SelfPreference | None, judges: int) -> Check:
    if found is None:
        why = (
            "One judge cannot show it: give several, of different families."
            if judges < 2
            else "No pair has an answer of its own family on one side and another judge's verdict, so nothing is known."
        )
        return Check("Self-preference", why)
    difference = found.difference
    numbers = (
        _share("its own family wins before it", found.own),
        _share("the same before other judges", found.others),
        Number("difference", points(difference), points_between(difference), difference.n),
    )
    said = "It favors its own family" if found.shown else "It is not shown to favor its own family"
    said += f": {points(difference)} more than others give it ({points_between(difference)})."
    if found.neutral < found.own.n:
        said += f" On {plural(found.own.n - found.neutral, 'pair')} only a rival's judge stands beside it."
    return Check("Self-preference", said, numbers)


def _people(result: PairsResult) -> Check:
    found = result.humans
    if not result.counts.scored:
        return Check("People", UNKNOWN)
    if found is None:
        return Check("People", "No scored pair has a label, so nobody knows whether this judge is right.")
    assert found.judge is not None, "a share is always defined"
    numbers = [_share("judgments that name people's label", found.judge)]
    numbers += [_share("ROUGE-L names it", found.rouge)] if found.rouge is not None else []
    numbers += [_share("mean probability names it", found.balanced)] if found.balanced is not None else []
    numbers += [_rho("Cohen's kappa of verdicts", found.beyond_chance)] if found.beyond_chance is not None else []
    if _above(found.judge, 0.5):
        said = f"It agrees with people on {percent(found.judge.estimate)} of judgments, which is better than a coin."
    elif _below(found.judge, 0.5):
        said = f"It agrees with people on {percent(found.judge.estimate)} of judgments, which is worse than a coin."
    else:
        said = f"It agrees with people on {percent(found.judge.estimate)} of judgments: not shown to beat a coin."
    return Check("People", said + _rouge_means(found, "names the label"), tuple(numbers))


def _rouge_means(found: Humans, does: str) -> str:
    if found.rouge is None or found.judge is None:
        said = " No reference answers, so ROUGE is not beside it."
        if found.unreferenced < found.n:
            said = f" {found.unreferenced} of {found.n} lack a reference, so ROUGE is not beside it."
        return said if found.unreferenced else " ROUGE never varies, so it is not beside it."
    if _apart(found.judge, found.rouge):
        more = "more" if found.judge.estimate > found.rouge.estimate else "less"
        return f" ROUGE-L, which only counts shared words, {does} {'less' if more == 'more' else 'more'} well."
    return " Its interval and that of ROUGE-L, which only counts shared words, overlap: it is not shown to do better."


def _spread(result: RateResult) -> list[Check]:
    whole = sum(texts for _, texts in result.grades)
    if not whole:
        return []
    grade, most = max(result.grades, key=lambda one: one[1])
    if most < SAME * whole or whole < 2:
        return []
    return [Check("Spread", f"{most} of {plural(whole, 'text')} got the grade {grade:g}: it tells them apart little.")]


def _rate_length(found: Effect | None) -> Check:
    if found is None:
        return Check("Length", "Too few texts, or all of one length or grade, to say anything.")
    said = "Longer texts are not shown to get other grades."
    if _above(found, 0):
        said = "Longer texts get better grades: either they are better here, or it pays for length."
    if _below(found, 0):
        said = "Longer texts get worse grades."
    return Check("Length", said, (_rho("grade and characters (Spearman)", found),))


def _people_grades(result: RateResult) -> Check:
    found = result.humans
    if not result.counts.scored:
        return Check("People", UNKNOWN)
    if found is None:
        return Check("People", "No scored text has a grade by people, so nobody knows what these grades mean.")
    if found.judge is None:
        said = f"On {plural(found.n, 'text')} with a human grade there is no correlation: "
        return Check("People", said + "one text alone, or grades that never vary.")
    numbers = [_rho("grades and people's (Spearman)", found.judge)]
    numbers += [_rho("the same (Kendall's tau-b)", found.beyond_chance)] if found.beyond_chance is not None else []
    numbers += [_rho("ROUGE-L and people's (Spearman)", found.rouge)] if found.rouge is not None else []
    said = "Its grades are not shown to go with people's."
    if _above(found.judge, 0):
        said = "Its grades go with people's."
    if _below(found.judge, 0):
        said = "Its grades go against people's."
    return Check("People", said + _rouge_means(found, "goes with people"), tuple(numbers))


def _form(mass: float | None, what: str) -> list[Check]:
    if mass is None:
        return []
    weak = "It would rather say something else." if mass < 0.5 else "It answers in the form that was asked for."
    return [Check("Form", f"The {what} hold {percent(mass)} of its probability. {weak}")]


def _share(name: str, effect: Effect) -> Number:
    return Number(name, percent(effect.estimate), percent_between(effect), effect.n, effect, share=True)


def _rho(name: str, effect: Effect) -> Number:
    between = "no interval" if effect.low is None else f"{effect.low:.2f} to {effect.high:.2f}"
    shown = f"{effect.estimate:.2f}".replace("-", "\u2212")
    return Number(name, shown, between.replace("-", "\u2212"), effect.n, effect)


def _above(effect: Effect, middle: float) -> bool:
    return effect.low is not None and effect.low > middle


def _below(effect: Effect, middle: float) -> bool:
    return effect.high is not None and effect.high < middle


def _apart(one: Effect, other: Effect) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or one.high < other.low
