"""What an evaluation showed, or did not, in a sentence or two, built from the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from assay.analysis.format import count, level, p_value, percent, plural
from assay.analysis.measures import between, gap, gap_between, value
from assay.evaluation.page.groups import cut_off
from assay.evaluation.page.text import is_share, measure, shared, sides, told
from assay.evaluation.results import CellResult, Comparison
from assay.evaluation.run import Filled
from assay.report.document import Finding, Tone

AuxiliaryEvaluation: TypeAlias = Literal["better", "worse", "no better"]
TONES: dict[str, Tone] = {"helped": "helped", "hurt": "hurt", "no significant difference": "unclear"}
WORDS = {"helped": "better", "hurt": "worse", "no significant difference": "no significant difference"}
"""Of a verdict, where models or prompts are compared and nobody helped anybody."""
GUESSED: dict[AuxiliaryEvaluation, Tone] = {"better": "helped", "worse": "hurt", "no better": "unclear"}
NAMED = 3
"""At most so many lines, or differences, are told in a sentence; the others stand in the table."""
MANY = 0.1
"""From this share of answers that could not be read on, the first sentences say so."""


def finding(filled: Sequence[Filled], results: Sequence[CellResult], compared: Sequence[Comparison]) -> Finding:
    """The comparisons where there are some, else the cells, and either way what guessing gives."""
    if all(one.accuracy is None for one in results):
        said = f"None of {plural(sum(one.n for one in results), 'question')} has an answer, so nothing was measured."
        return Finding("unclear", "Nothing was answered", (said,))
    tone, headline, first = _of_differences(compared) if compared else _of_cells(results)
    more = [first, _listed(results), guessing(results), unread(results), cut_short(filled)]
    return Finding(tone, headline, tuple(sentence for sentence in more if sentence))


def beside_chance(one: CellResult) -> AuxiliaryEvaluation | None:
    """Whether a cell is shown to be better or worse than guessing; None where guessing has no meaning."""
    if one.accuracy is None or one.chance is None:
        return None
    if one.accuracy.low is not None and one.accuracy.low > one.chance:
        return "better"
    return "worse" if one.accuracy.high is not None and one.accuracy.high < one.chance else "no better"


def difference(one: Comparison) -> str:
    """One comparison in a sentence."""
    ours, theirs, alike = sides(one)
    effect = one.compared.effect
    what = {
        "helped": f"{ours} is better than {theirs}",
        "hurt": f"{ours} is worse than {theirs}",
        "no significant difference": f"{ours} and {theirs} cannot be told apart",
    }[one.verdict]
    span = f"{level(effect)} interval {gap_between(effect, is_share(one))}" if effect.low is not None else "no interval"
    p = f", p = {p_value(one.compared.adjusted_p)} after Holm" if one.compared.adjusted_p is not None else ""
    return (
        f"{what} on {alike}: {gap(effect, is_share(one))} ({span}{p.replace('= <', '<')}, {plural(one.n, 'question')})."
    )


def caution(one: Comparison) -> str:
    """What an interval of a difference hides, where it does; else empty."""
    effect, exact = one.compared.effect, one.compared.mcnemar
    if exact is not None and not exact.ours_only + exact.theirs_only:
        return "No question came out differently, so the interval has no width: it says nothing of other questions."
    apart = effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)
    if apart and one.verdict == "no significant difference":
        return "By itself the interval leaves zero out; with p adjusted for all comparisons that is not enough."
    return ""


def guessing(results: Sequence[CellResult]) -> str:
    """How many lines are better than guessing; empty where guessing has no meaning."""
    states = [(one, beside_chance(one)) for one in results]
    known = [(one, state) for one, state in states if state is not None]
    if not known:
        return ""
    gives = dict.fromkeys(
        f"{percent(one.chance)} on {one.cell.task.name}" for one, _ in known if one.chance is not None
    )
    better, worse = ([one for one, state in known if state == wanted] for wanted in ("better", "worse"))
    said = f"Guessing gives {', '.join(gives)}: "
    if len(known) == 1:
        return said + f"this is {_guess_words(known[0][1])}."
    if not better:
        said += f"none of {len(known)} lines is shown to be better"
    elif len(better) == len(known):
        said += "every line is better"
    else:
        said += f"{len(better)} of {len(known)} lines are shown to be better"
    return said + (f", and {len(worse)} worse." if worse else ".")


def unread(results: Sequence[CellResult]) -> str:
    """What part of the numbers is form and failure; empty where it is small."""
    asked = sum(one.n for one in results)
    failed, lost = sum(one.failed for one in results), sum(one.unread for one in results)
    said = []
    if lost >= MANY * asked and lost:
        said.append(f"{count(lost)} of {plural(asked, 'answer')} could not be read and count as wrong")
    if failed:
        are = "is" if failed == 1 else "are"
        said.append(f"{plural(failed, 'question')} of {count(asked)} had no answer and {are} left out")
    return f"{'; '.join(said)}." if said else ""


def cut_short(filled: Sequence[Filled]) -> str:
    """How many answers the limit of tokens ended; empty where they are few."""
    counts = [(found, len(one.rows)) for one in filled if (found := cut_off(one)) is not None]
    cut, asked = sum(found for found, _ in counts), sum(n for _, n in counts)
    limits = sorted({one.cell.decoding.max_tokens for one in filled if one.cell.decoding is not None})
    at = f" at {' or '.join(map(count, limits))} tokens" if limits else ""
    if not cut or cut < MANY * asked:
        return ""
    return f"{count(cut)} of {plural(asked, 'written answer')} were cut off{at}: a higher limit may change the result."


def _of_differences(compared: Sequence[Comparison]) -> tuple[Tone, str, str]:
    found = [one for one in compared if one.verdict != "no significant difference"]
    # Points and other units are not to be ranked together: of several kinds the shares are.
    alike = [one for one in compared if is_share(one)] or compared
    largest = max(alike, key=lambda one: abs(one.compared.effect.estimate))
    if len(compared) == 1:
        only = compared[0]
        ours, theirs, _ = sides(only)
        headline = f"{ours} is {WORDS[only.verdict]} than {theirs}" if found else "No significant difference"
        return TONES[only.verdict], headline, " ".join(filter(None, (difference(only), caution(only))))
    if not found:
        said = f"None of {len(compared)} comparisons on the same questions shows a difference. The largest: "
        return (
            "unclear",
            "No significant difference",
            said + " ".join(filter(None, (difference(largest), caution(largest)))),
        )
    verdicts = {one.verdict for one in found}
    tone = TONES[verdicts.pop()] if len(verdicts) == 1 else "unclear"
    headline = f"{len(found)} of {len(compared)} differences shown"
    rest = f" {len(found) - NAMED} more stand below." if len(found) > NAMED else ""
    return tone, headline, " ".join(map(difference, found[:NAMED])) + rest


def _of_cells(results: Sequence[CellResult]) -> tuple[Tone, str, str]:
    states = [state for one in results if (state := beside_chance(one)) is not None]
    if len(results) == 1:
        accuracy = results[0].accuracy
        assert accuracy is not None, "somebody answered"
        share = f"{value(accuracy.estimate, is_share(results[0]))} {measure(results[0].cell)}"
        headline = _guess_words(states[0]).capitalize() if states else share
        return GUESSED[states[0]] if states else "unclear", headline, ""
    if not states:
        return "unclear", "Nothing to compare", "No two lines differ in one thing alone on the same questions."
    better = states.count("better")
    tone = GUESSED[states[0]] if len(set(states)) == 1 else "unclear"
    if not better:
        return tone, "No better than guessing", ""
    return tone, f"{better} of {len(states)} better than guessing", ""


def _guess_words(state: AuxiliaryEvaluation) -> str:
    shown = {"better": "better than guessing", "worse": "worse than guessing"}
    return shown.get(state, "not shown to be better than guessing")


def _listed(results: Sequence[CellResult]) -> str:
    """Every line with its interval, where they are few."""
    if len(results) > NAMED:
        return ""
    known = shared([one.cell for one in results])
    parts = [
        f"{told(one.cell, known)} {value(one.accuracy.estimate, is_share(one))} {measure(one.cell)} "
        f"({between(one.accuracy, is_share(one))})"
        for one in results
        if one.accuracy is not None
    ]
    return f"{'; '.join(parts)}."
