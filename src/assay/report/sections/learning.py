"""How models learned from preferences and rewards: what was watched at every step, and what held-out pairs say."""

from __future__ import annotations

from markupsafe import Markup

from assay.analysis.format import listed, number, number_between, percent, percent_between, plural, signed_number
from assay.analysis.learning import FIRST, Hacking, HeldOutPairs, HeldOutRewards, Learning, WatchedCurve
from assay.analysis.report_data import ReportFacts
from assay.core.curves import WATCH
from assay.core.effect import Effect
from assay.report.charts import arm_class, reliability, watched
from assay.report.sections.section import Section
from assay.report.template import fill


def learning(facts: ReportFacts) -> Section | None:
    """A block a model: its sentence, its curves, its held-out pairs."""
    if not facts.learned:
        return None
    blocks = [
        (
            one,
            arm_class(one.name),
            *_drawn(one),
            _calibrated(one),
            " ".join(filter(None, (pairs_sentence(one.held_out), rewards_sentence(one.held_out_rewards)))),
            hacking_sentence(one.hacking),
        )
        for one in facts.learned
    ]
    return Section(
        "learning", "How they learned from preferences and rewards", fill("learning.html", {"blocks": blocks})
    )


def _drawn(one: Learning) -> tuple[list[tuple[WatchedCurve, Markup]], list[tuple[WatchedCurve, Markup]]]:
    """What is shown at once, and what behind a click."""
    order = {name: nth for nth, name in enumerate(FIRST)}
    first = sorted((curve for curve in one.curves if curve.name in order), key=lambda curve: order[curve.name])
    first += [curve for curve in one.curves if curve.name.startswith(WATCH)]
    rest = [curve for curve in one.curves if curve not in first]
    css = arm_class(one.name)
    return [(curve, watched(curve, css)) for curve in first], [(curve, watched(curve, css)) for curve in rest]


def _calibrated(one: Learning) -> Markup | None:
    return None if one.held_out is None else reliability(one.held_out.calibration)


def pairs_sentence(found: HeldOutPairs | None) -> str:
    """What held-out pairs say."""
    if found is None:
        return ""
    before, after = (
        f"{percent(one.estimate)} ({percent_between(one)})" for one in (found.accuracy_before, found.accuracy)
    )
    clear = {True: "is clear of", False: "holds"}[found.accuracy.low is not None and found.accuracy.low > 0.5]
    return (
        f"It did not learn from {plural(found.prompts, 'prompt')}. Of their {plural(found.pairs, 'pair')} it rates the "
        f"chosen answer higher in {after}, before training in {before}: the interval {clear} 50 %. The margin is "
        f"{signed_number(found.margin.estimate)}, and changed in training by {_change(found.rise)}. The intervals take "
        f"the pairs of a prompt together, which are alike."
    )


def rewards_sentence(found: HeldOutRewards | None) -> str:
    """What answers to held-out prompts earn."""
    if found is None:
        return ""
    before, after = (f"{number(one.estimate)} ({number_between(one)})" for one in (found.before, found.after))
    to = f"to {plural(found.prompts, 'prompt')} that it did not learn from"
    how = f"Answers {to}, {found.sampled} each and sampled as in training," if found.sampled else f"Greedy answers {to}"
    return f"{how} earn {after} on average, before training {before}: a change of {_change(found.rise)}."


def hacking_sentence(found: Hacking | None) -> str:
    """Whether the reward was hacked, as far as can be seen."""
    if found is None:
        return ""
    steps = (
        None if found.reward is None else f"by {_change(found.reward)} over its steps, by a straight line through them"
    )
    held = None if found.held_out is None else f"by {_change(found.held_out)} in answers to held-out prompts"
    changed = f"The reward changed {listed([one for one in (steps, held) if one])}"
    if not found.rose:
        return f"{changed}: it did not clearly rise, so there is nothing to have been hacked."
    rose = changed.replace("changed", "rose", 1)
    if found.fell:
        return f"This looks like reward hacking. {rose}, and {listed(found.fell)} got worse."
    if not found.sides:
        return f"{rose}. Nothing else was looked at, so whether it was hacked is not known."
    names = listed([side.name for side in found.sides])
    return f"{rose}, and nothing else that was looked at got clearly worse: {names}."


def _change(rise: Effect) -> str:
    return f"{signed_number(rise.estimate)} ({number_between(rise, sign=True)})"
