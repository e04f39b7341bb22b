"""What a judging says, in plain sentences: each bias that was looked for, and why one that was not."""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.format import percent, percent_between, plural, points, points_between
from assay.core.effect import Effect
from assay.judging.results import Counts, Humans, PairsResult, RateResult
from assay.stats.ratings.agreement import JudgePositionConsistency, SelfPreference
from assay.stats.ratings.length_control import FEWEST

CONFLICTS = (
    "A pair counts only where both orders can be read; where they disagree, it counts as a tie, half a win each."
)
WHY = 160
"""Characters of a reason that are shown; all of it is in judged.jsonl."""
BLIND = ", which is not shown to be better than guessing"
CONTROLLED = "(AlpacaEval 2's regression without its item difficulties)"
"""How a win rate at equal length is made."""
UNSCORED = "Humans: nothing was scored, so there is nothing to compare."
ALONE = "Self-preference: one judge cannot show it; give several, of different families, with --judge."
NOBODY = (
    "Self-preference: no pair has an answer of a judge's own family on one side and another judge's verdict; columns "
    "model_a and model_b name who wrote what, --family REF=NAME says whose a judge is."
)


def how(result: PairsResult | RateResult) -> str:
    """How the judge was asked, in a few words."""
    if result.judge.by == "likelihood":
        return "probabilities"
    decoding = result.judge.decoding
    samples = decoding.answers if decoding is not None else 1
    return "its answer" if samples == 1 else f"mean of {samples} answers"


def pairs_sentences(result: PairsResult) -> list[str]:
    """Position, length and human labels, for one judge."""
    found = [*_unscored(result.counts), *_position(result.position, result.same), _length(result)]
    found.append(_humans_of_pairs(result.humans) if result.counts.scored else UNSCORED)
    if result.mass is not None:
        found.append(_mass(result.mass, "letters"))
    return found


def rate_sentences(result: RateResult) -> list[str]:
    """Length and human grades."""
    found = _unscored(result.counts)
    if result.length is None:
        found += ["Length: too few texts, or all of one length or grade, to say whether longer ones get better grades."]
    else:
        side = _leaning(result.length, "longer texts get better grades", "longer texts get worse grades")
        found += [f"Length: grades and characters correlate at {_rho(result.length)}{side}."]
    found.append(_humans_of_grades(result.humans) if result.counts.scored else UNSCORED)
    if result.mass is not None:
        found.append(_mass(result.mass, "grades"))
    return found


def favor_sentences(judges: Sequence[str], found: Sequence[SelfPreference | None]) -> list[str]:
    """Self-preference, for all judges together; `judges` are their references."""
    if len(judges) < 2:
        return [ALONE]
    if all(one is None for one in found):
        return [NOBODY]
    return [
        f"Self-preference: {judge} gives its own family {percent(one.own.estimate)} of {plural(one.own.n, 'pair')}, "
        f"other judges {percent(one.others.estimate)}: {points(one.difference)} ({points_between(one.difference)})"
        f"{_favors(one)}"
        for judge, one in zip(judges, found, strict=True)
        if one is not None
    ]


def _favors(one: SelfPreference) -> str:
    said = ", so it favors its own." if one.shown else ", which shows no favor."
    if one.neutral < one.own.n:
        rivals = plural(one.own.n - one.neutral, "pair")
        said += f" On {rivals} only a rival's judge stands beside it, and the difference holds the favors of both."
    return said


def _unscored(counts: Counts) -> list[str]:
    if not counts.why:
        return []
    why = counts.why if len(counts.why) <= WHY else f"{counts.why[:WHY]}..."
    return [f"Not scored, and left out of every figure: {counts.n - counts.scored} of {counts.n}, such as: {why}"]


def same_answers(same: int) -> list[str]:
    """What became of pairs of one and the same answer, where there are any."""
    return [f"Same answer twice: {plural(same, 'pair')}, ties and left out of the position figures."] if same else []


def _position(found: JudgePositionConsistency | None, same: int) -> list[str]:
    left = same_answers(same)
    if found is None:
        return [*left, "Position: no pair of two answers was judged in both orders."]
    said = (
        f"Position: the two orders disagree on {_share(found.conflict)} of {plural(found.conflict.n, 'pair')}; what is "
        f"shown first gets {_share(found.first_place)} of the judgments"
    )
    leaning = _leaning(found.first_place, "it favors the first place", "it favors the second place", 0.5)
    return [*left, f"{said}{leaning}."]


def _length(result: PairsResult) -> str:
    found = result.length
    if found is None:
        return "Length: too few pairs to say."
    said = []
    if found.longer_preferred is not None:
        longer = found.longer_preferred
        follows = ": it goes with length" if found.follows_length else ""
        said.append(f"the longer answer wins {_share(longer)} of {plural(longer.n, 'decided pair')}{follows}")
    if found.correlation is not None:
        said.append(f"preference and difference in characters correlate at {_rho(found.correlation)}")
    if found.length_controlled is not None and found.shift is not None:
        raw = percent(found.win_rate.estimate)
        said.append(
            f"the win rate of {result.length_of}, {raw}, would be {_share(found.length_controlled)} at equal length "
            f"{CONTROLLED}"
        )
    else:
        said.append(f"a win rate at equal length needs {FEWEST} pairs with the longer answer on each side")
    return f"Length: {'; '.join(said)}."


def _humans_of_grades(found: Humans | None) -> str:
    if found is None:
        return "Humans: no scored text has a grade by people (column human), so nobody knows what these grades mean."
    graded = f"Humans: on {plural(found.n, 'text')}"
    if found.judge is None:
        return f"{graded} with a human grade there is no correlation: one text alone, or grades that never vary."
    tau = f", Kendall's at {_rho(found.beyond_chance)}" if found.beyond_chance is not None else ""
    rouge = f"ROUGE-L with the same grades: {_rho(found.rouge)}" if found.rouge is not None else _no_rouge(found)
    return f"{graded} grades correlate with theirs at {_rho(found.judge)} (Spearman){tau}; {rouge}."


def _no_rouge(found: Humans) -> str:
    if found.unreferenced == found.n:
        return "no reference for ROUGE"
    return f"no ROUGE, as {found.unreferenced} of them lack a reference" if found.unreferenced else "ROUGE never varies"


def _humans_of_pairs(found: Humans | None) -> str:
    if found is None:
        return "Humans: no scored pair has a label (column label), so nobody knows whether this judge is right."
    assert found.judge is not None, "a share is always defined"
    better = found.judge.low is not None and found.judge.low > 0.5
    said = [f"over both orders {_share(found.judge)} of judgments name the label{'' if better else BLIND}"]
    if found.beyond_chance is not None:
        said.append(f"kappa of the verdicts {_rho(found.beyond_chance)}")
    if found.balanced is not None:
        said.append(f"the mean probability over both orders names it in {_share(found.balanced)}")
    said.append(f"ROUGE-L names it in {_share(found.rouge)}" if found.rouge is not None else _no_rouge(found))
    return f"Humans: on {plural(found.n, 'labeled pair')} {'; '.join(said)}."


def _mass(mass: float, what: str) -> str:
    weak = ": it would rather say something else" if mass < 0.5 else ""
    return f"Form: the {what} hold {percent(mass)} of its probability{weak}."


def _leaning(effect: Effect, above: str, below: str, middle: float = 0.0) -> str:
    if effect.low is not None and effect.low > middle:
        return f": {above}"
    return f": {below}" if effect.high is not None and effect.high < middle else ""


def _share(effect: Effect) -> str:
    return f"{percent(effect.estimate)} ({percent_between(effect)})"


def _rho(effect: Effect) -> str:
    between = f"{effect.low:.2f} to {effect.high:.2f}" if effect.low is not None else "no interval below n = 2"
    return f"{effect.estimate:.2f} ({between})".replace("-", "\u2212")
