"""Checks of a judge: position bias, length bias, self-preference, human agreement and answer format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.analysis.format import percent, percent_between, plural, points, points_between
from assay.core.effect import Effect
from assay.judging.results import HumanAgreement, JudgmentCounts, PairsResult, RateResult
from assay.stats.ratings.agreement import JudgePositionConsistency, SelfPreference
from assay.stats.ratings.length_control import MIN_PAIRS, LengthAudit

INCONSISTENCY_RULE = (
    "A pair is scored only if both orders could be parsed; a position-inconsistent pair counts as a tie "
    "(half a win each)."
)
REASON_LENGTH = 160
"""Characters of a failure reason that are printed; judged.jsonl has all of it."""
LOW_VARIETY = 0.9
"""Proportion of texts with the same grade from which low variety is reported."""
LENGTH_CONTROL = "(AlpacaEval 2's regression without item difficulties)"
UNSCORED = "Nothing was scored."


@dataclass(frozen=True)
class CheckNumber:
    """One number of a check."""

    name: str
    value: str
    interval: str
    n: int
    effect: Effect | None = None
    """For the plot; None if it is neither a rate nor a correlation."""
    rate: bool = False
    """Whether it is a rate, shown in percent."""


@dataclass(frozen=True)
class JudgeCheck:
    """One check with its interpretation and numbers."""

    name: str
    meaning: str
    """Interpretation in one or two sentences."""
    numbers: tuple[CheckNumber, ...] = ()


def scoring_method(result: PairsResult | RateResult) -> str:
    """How the judge was scored: label probabilities, its answer, or the mean of several answers."""
    if result.judge.by == "likelihood":
        return "probabilities"
    decoding = result.judge.decoding
    samples = decoding.answers if decoding is not None else 1
    return "answer" if samples == 1 else f"mean of {samples} answers"


def pairs_checks(result: PairsResult, self_preference: SelfPreference | None, judges: int) -> list[JudgeCheck]:
    """Checks of a pairwise judge: position, length, self-preference, human agreement and format."""
    checks = [
        _position(result),
        _length(result),
        _self_preference(self_preference, judges),
        _human_labels(result),
    ]
    return [*checks, *_format(result.mass, "letters")]


def rate_checks(result: RateResult) -> list[JudgeCheck]:
    """Checks of a grading judge: grade distribution, length, human agreement and format."""
    return [*_variety(result), _grade_length(result.length), _human_grades(result), *_format(result.mass, "grades")]


def check_lines(checks: Sequence[JudgeCheck], counts: JudgmentCounts) -> list[str]:
    """Checks as lines of text for the terminal, each followed by its numbers."""
    lines = []
    if counts.why:
        why = counts.why if len(counts.why) <= REASON_LENGTH else f"{counts.why[:REASON_LENGTH]}..."
        lines.append(f"Excluded: {counts.n - counts.scored} of {counts.n} could not be scored; first reason: {why}")
    for check in checks:
        lines.append(f"{check.name}: {check.meaning}")
        lines += [f"  {number.name}: {number.value} ({number.interval}, n = {number.n:,})" for number in check.numbers]
    return lines


def mostly_inconsistent(positions: JudgePositionConsistency | None) -> bool:
    """Whether more than half of the pairs get a different verdict in the other order."""
    return positions is not None and positions.conflict.estimate > 0.5


def _position(result: PairsResult) -> JudgeCheck:
    positions = result.position
    same = ""
    if result.same:
        same = f"{plural(result.same, 'pair')} with identical answers: ties, excluded from this check. "
    if positions is None:
        return JudgeCheck("Position bias", f"{same}No pair was judged in both orders.")
    numbers = [
        _rate("position inconsistency", positions.conflict),
        _rate("preference for the first position", positions.first_place),
    ]
    biased = positions.first_in_conflicts
    if biased is not None:
        numbers.append(_rate("first position in inconsistent pairs", biased))
    return JudgeCheck("Position bias", same + _position_meaning(positions, biased), tuple(numbers))


def _position_meaning(positions: JudgePositionConsistency, biased: Effect | None) -> str:
    if biased is None:
        if positions.conflict.estimate == 0:
            return "Both orders agree on every pair."
        return "The orders disagree only where one of them is a tie: no position is preferred."
    place, rate = ("first", biased.estimate) if biased.estimate >= 0.5 else ("second", 1 - biased.estimate)
    text = f"Of {plural(biased.n, 'inconsistent pair')} it chose the {place} position in {percent(rate)}: "
    if mostly_inconsistent(positions):
        return text + "the verdicts depend mostly on position."
    if _above(biased, 0.5) or _below(biased, 0.5):
        return text + f"bias towards the {place} position. With both orders it yields ties, not winners."
    return text + "no significant position bias."


def _length(result: PairsResult) -> JudgeCheck:
    audit = result.length
    if audit is None:
        return JudgeCheck("Length bias", "Too few pairs.")
    numbers = [_rate("win rate of the longer answer", audit.longer_preferred)] if audit.longer_preferred else []
    numbers += [_correlation("preference and length difference", audit.correlation)] if audit.correlation else []
    numbers.append(_rate("win rate", audit.win_rate))
    numbers += [_rate("length-controlled win rate", audit.length_controlled)] if audit.length_controlled else []
    meaning = f"{_length_meaning(audit)} {_length_controlled(audit, result.length_of)}"
    return JudgeCheck("Length bias", meaning, tuple(numbers))


def _length_meaning(audit: LengthAudit) -> str:
    longer = audit.longer_preferred
    if longer is None:
        return "No decided pair has answers of different lengths."
    if audit.follows_length:
        return (
            f"The longer answer wins {percent(longer.estimate)} of {plural(longer.n, 'decided pair')}: longer answers "
            "are better here, or the judge has a length bias."
        )
    if _below(longer, 0.5):
        return f"The shorter answer wins {percent(1 - longer.estimate)} of {plural(longer.n, 'decided pair')}."
    return "No significant length bias."


def _length_controlled(audit: LengthAudit, name: str) -> str:
    if audit.length_controlled is None or audit.shift is None:
        return f"A length-controlled win rate needs {MIN_PAIRS} pairs with the longer answer on each side."
    change = f"{points(audit.shift)} ({points_between(audit.shift)})"
    raw, controlled = percent(audit.win_rate.estimate), percent(audit.length_controlled.estimate)
    text = f"Length-controlled win rate of {name}: {controlled} instead of {raw} {LENGTH_CONTROL}"
    if _above(audit.shift, 0) or _below(audit.shift, 0):
        return f"{text}; length changes it by {change}."
    return f"{text}; no significant difference, {change}."


def _self_preference(preference: SelfPreference | None, judges: int) -> JudgeCheck:
    name = "Self-preference"
    if preference is None:
        if judges < 2:
            return JudgeCheck(name, "Needs several judges of different model families (repeat --judge).")
        return JudgeCheck(
            name,
            "Needs pairs with an answer of the judge's own family and a verdict of another judge; set columns model_a "
            "and model_b, and --family REF=NAME.",
        )
    numbers = (
        _rate("win rate of its own family", preference.own),
        _rate("win rate of that family by other judges", preference.others),
        CheckNumber(
            "difference", points(preference.difference), points_between(preference.difference), preference.difference.n
        ),
    )
    text = "It prefers its own family" if preference.significant else "No significant preference for its own family"
    text += f": {points(preference.difference)} compared with other judges ({points_between(preference.difference)})."
    if preference.neutral < preference.own.n:
        rivals = plural(preference.own.n - preference.neutral, "pair")
        text += f" On {rivals} the only other judge belongs to the rival's family, so both preferences are included."
    return JudgeCheck(name, text, numbers)


def _human_labels(result: PairsResult) -> JudgeCheck:
    name, humans = "Human agreement", result.humans
    if not result.counts.scored:
        return JudgeCheck(name, UNSCORED)
    if humans is None:
        return JudgeCheck(name, "No scored pair has a human label (column label), so the validity is unknown.")
    assert humans.judge is not None, "agreement with labels is always defined"
    numbers = [_rate("agreement with human labels", humans.judge)]
    numbers += [_rate("agreement of ROUGE-L with human labels", humans.rouge)] if humans.rouge is not None else []
    numbers += [_rate("agreement of the mean probability", humans.balanced)] if humans.balanced is not None else []
    if humans.beyond_chance is not None:
        numbers.append(_correlation("Cohen's kappa of verdicts", humans.beyond_chance))
    text = f"It agrees with human labels in {percent(humans.judge.estimate)} of judgments, "
    if _above(humans.judge, 0.5):
        text += "better than chance."
    elif _below(humans.judge, 0.5):
        text += "worse than chance."
    else:
        text += "not significantly better than chance."
    return JudgeCheck(name, text + _rouge_meaning(humans), tuple(numbers))


def _rouge_meaning(humans: HumanAgreement) -> str:
    if humans.rouge is None or humans.judge is None:
        if humans.unreferenced == humans.n:
            return " Without references there is no comparison with ROUGE-L."
        if humans.unreferenced:
            return f" {humans.unreferenced} of {humans.n} lack a reference, so there is no comparison with ROUGE-L."
        return " ROUGE-L is constant, so there is no comparison with it."
    if _disjoint(humans.judge, humans.rouge):
        return f" ROUGE-L is {'worse' if humans.judge.estimate > humans.rouge.estimate else 'better'}."
    return " It is not significantly better than ROUGE-L: the intervals overlap."


def _variety(result: RateResult) -> list[JudgeCheck]:
    total = sum(texts for _, texts in result.grades)
    if not total:
        return []
    grade, most = max(result.grades, key=lambda entry: entry[1])
    if most < LOW_VARIETY * total or total < 2:
        return []
    meaning = f"{most} of {plural(total, 'text')} have the grade {grade:g}: the grades hardly discriminate."
    return [JudgeCheck("Grade distribution", meaning)]


def _grade_length(effect: Effect | None) -> JudgeCheck:
    if effect is None:
        return JudgeCheck("Length bias", "Too few texts, or constant lengths or grades.")
    text = "No significant correlation of grade and length."
    if _above(effect, 0):
        text = "Longer texts get higher grades: they are better here, or the judge has a length bias."
    if _below(effect, 0):
        text = "Longer texts get lower grades."
    return JudgeCheck("Length bias", text, (_correlation("grade and characters (Spearman)", effect),))


def _human_grades(result: RateResult) -> JudgeCheck:
    name, humans = "Human agreement", result.humans
    if not result.counts.scored:
        return JudgeCheck(name, UNSCORED)
    if humans is None:
        return JudgeCheck(name, "No scored text has a human grade (column human), so the validity is unknown.")
    if humans.judge is None:
        why = "a single text, or constant grades"
        return JudgeCheck(name, f"No correlation on {plural(humans.n, 'text')} with human grades: {why}.")
    numbers = [_correlation("judge and human grades (Spearman)", humans.judge)]
    if humans.beyond_chance is not None:
        numbers.append(_correlation("judge and human grades (Kendall's tau-b)", humans.beyond_chance))
    numbers += [_correlation("ROUGE-L and human grades (Spearman)", humans.rouge)] if humans.rouge is not None else []
    text = "No significant correlation with human grades."
    if _above(humans.judge, 0):
        text = "The grades correlate positively with human grades."
    if _below(humans.judge, 0):
        text = "The grades correlate negatively with human grades."
    return JudgeCheck(name, text + _rouge_meaning(humans), tuple(numbers))


def _format(mass: float | None, what: str) -> list[JudgeCheck]:
    if mass is None:
        return []
    text = "the judge tends to answer in another format" if mass < 0.5 else "the judge follows the answer format"
    return [JudgeCheck("Answer format", f"The {what} have {percent(mass)} of the probability mass: {text}.")]


def _rate(name: str, effect: Effect) -> CheckNumber:
    return CheckNumber(name, percent(effect.estimate), percent_between(effect), effect.n, effect, rate=True)


def _correlation(name: str, effect: Effect) -> CheckNumber:
    between = "no interval" if effect.low is None else f"{effect.low:.2f} to {effect.high:.2f}"
    value = f"{effect.estimate:.2f}".replace("-", "\u2212")
    return CheckNumber(name, value, between.replace("-", "\u2212"), effect.n, effect)


def _above(effect: Effect, level: float) -> bool:
    return effect.low is not None and effect.low > level


def _below(effect: Effect, level: float) -> bool:
    return effect.high is not None and effect.high < level


def _disjoint(first: Effect, second: Effect) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return first.low > second.high or first.high < second.low
