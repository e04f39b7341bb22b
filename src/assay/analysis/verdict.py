"""The answer and the limits in sentences, built from the numbers alone."""

from __future__ import annotations

from assay.analysis import format as words
from assay.analysis.measures import Measure
from assay.analysis.proof import Arm, Comparison
from assay.analysis.report_data import ReportFacts
from assay.core.arms import is_base
from assay.stats.inference.power import minimum_detectable_difference
from assay.stats.inference.verdict import Verdict

HEADLINES = {"helped": "Helped", "hurt": "Hurt", "no difference shown": "No difference shown", None: "Nothing compared"}


def answer_sentence(facts: ReportFacts) -> str:
    """What the first comparison says, and how far the model is from one trained on real data."""
    if not facts.comparisons:
        return "This run compared no two models, so it cannot say whether anything helped."
    main = facts.comparisons[0]
    ours, theirs = facts.arm(main.ours), facts.arm(main.theirs)
    better, worse = (
        f"{sentence_start(_model(ours))} is {word} than {_model(theirs, again=True)}" for word in ("better", "worse")
    )
    scores = _scores(facts, ours, theirs)
    opening = {
        "helped": f"Yes. {better}: {scores[0]}.",
        "hurt": f"No, it hurt. {worse}: {scores[0]}.",
        "no difference shown": (f"Not shown. {sentence_start(_both(ours, theirs))} cannot be told apart: {scores[1]}."),
    }[main.verdict]
    told = (
        opening,
        _difference(main, facts.measure),
        _luck(facts, main),
        _by_others(facts, main),
        _price(facts, main),
        _against_real(facts, main),
    )
    return " ".join(filter(None, told))


def _scores(facts: ReportFacts, ours: Arm, theirs: Arm) -> tuple[str, str]:
    """What both models reached, after the first was named just now, and by itself."""
    first, second = facts.measure.value(ours.result), facts.measure.value(theirs.result)
    items = f"{words.count(ours.result.n)} {facts.test_items}"
    if facts.measure.share:
        told = f"got {first} of {items} right, {theirs.name} {second}"
        return f"it {told}", f"{ours.name} {told}"
    note = f" ({facts.measure.note})" if facts.measure.note else ""
    told = f"{facts.measure.name} on {items} is {first}, that of {theirs.name} {second}{note}"
    return f"its {told}", f"the {facts.measure.name} of {ours.name}{told.removeprefix(facts.measure.name)}"


def _by_others(facts: ReportFacts, main: Comparison) -> str:
    """What other measures and the judge say of the same two models: one number alone is soon believed too much."""
    named: dict[Verdict, list[str]] = {}
    for one in facts.others:
        for pair in one.comparisons:
            if (pair.ours, pair.theirs) == (main.ours, main.theirs):
                named.setdefault(pair.verdict, []).append(one.measure.name)
    for duel in facts.duels:
        if (duel.ours, duel.theirs) == (main.ours, main.theirs):
            named.setdefault(duel.verdict, []).append("the judge")
    said = {"helped": f"{main.ours} is better", "hurt": f"{main.ours} is worse"}
    found = [f"by {words.listed(by)} {said.get(verdict, 'no difference is shown')}" for verdict, by in named.items()]
    return sentence_start("; ".join(found)) + "." if found else ""


def _price(facts: ReportFacts, main: Comparison) -> str:
    """What the same two models are worth at what the question does not ask about: an aim is easily paid for there."""
    named: dict[Verdict, list[str]] = {}
    for one in facts.also:
        for pair in one.comparisons:
            if (pair.ours, pair.theirs) == (main.ours, main.theirs):
                named.setdefault(pair.verdict, []).append(one.measure.name)
    said = {"hurt": "it is worse at", "helped": "it is better at", "no difference shown": "no difference is shown in"}
    found = [f"{said[verdict]} {words.listed(named[verdict])}" for verdict in said if verdict in named]
    return f"Next to that, {'; '.join(found)}." if found else ""


def _model(arm: Arm, *, again: bool = False) -> str:
    """A model, by what it learned from; `again` where models were spoken of just now."""
    if is_base(arm.name):
        return "the model that was not trained"
    if arm.by_name:
        return arm.name
    return f"{'the one' if again else 'the model'} trained on {arm.name}"


def _both(ours: Arm, theirs: Arm) -> str:
    if any(is_base(arm.name) or arm.by_name for arm in (ours, theirs)):
        return f"{_model(ours)} and {_model(theirs, again=True)}"
    return f"the models trained on {ours.name} and on {theirs.name}"


def sentence_start(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def comparison_sentence(pair: Comparison, measure: Measure) -> str:
    """One comparison in a sentence, with its interval."""
    size = f"{measure.gap(pair.difference)} ({measure.gap_between(pair.difference)})"
    return {
        "helped": f"{pair.ours} is better than {pair.theirs}: {size}.",
        "hurt": f"{pair.ours} is worse than {pair.theirs}: {size}.",
        "no difference shown": f"{pair.ours} and {pair.theirs} cannot be told apart: {size}.",
    }[pair.verdict]


def _difference(pair: Comparison, measure: Measure) -> str:
    effect, gap = pair.difference, measure.gap(pair.difference)
    if effect.low is None:
        return f"The difference is {gap}, without an interval: one item has none."
    span = f"{words.level(effect)} interval {measure.gap_between(effect)}"
    if pair.verdict == "no difference shown":
        if _by_itself(pair):
            return (
                f"The difference is {gap} ({span}). By itself that would exclude zero; among all the "
                f"comparisons of this run it does not (p = {words.p_value(pair.adjusted_p)} after Holm)."
            )
        return f"The difference is {gap}, and its {span} does not exclude zero."
    return f"The difference is {gap} ({span})."


def _luck(facts: ReportFacts, main: Comparison) -> str:
    """What a single training cannot show, said beside the verdict and not only among the limits."""
    trained = [facts.arm(name) for name in (main.ours, main.theirs) if not is_base(name)]
    if main.verdict == "no difference shown" or min(len(arm.seeds) for arm in trained) > 1:
        return ""
    if len(trained) == 1:
        return "It was trained once only: other trainings may say otherwise."
    return "Each was trained once only: this holds for these two models, and other trainings may say otherwise."


def _by_itself(pair: Comparison) -> bool:
    """Whether the interval excludes zero and the verdict, which counts all comparisons, still does not."""
    low, high = pair.difference.low, pair.difference.high
    apart = low is not None and high is not None and (low > 0 or high < 0)
    return apart and pair.adjusted_p is not None and pair.verdict == "no difference shown"


def _against_real(facts: ReportFacts, main: Comparison) -> str:
    """How the model of the main comparison stands against real data, where that was compared."""
    pair = next((c for c in facts.comparisons[1:] if (c.ours, c.theirs) == (main.ours, "real")), None)
    if pair is None:
        return ""
    same = facts.arm(pair.ours).n_samples == facts.arm("real").n_samples
    real = f"{'as many' if same else words.count(facts.arm('real').n_samples)} real samples"
    size = f"{facts.measure.gap(pair.difference)}, {facts.measure.gap_between(pair.difference)}"
    if _by_itself(pair):
        side = "ahead" if pair.gain.estimate > 0 else "behind"
        return (
            f"Against {real}, {pair.ours} is {side} by itself ({size}), "
            f"but not once all comparisons are counted (p = {words.p_value(pair.adjusted_p)} after Holm)."
        )
    return {
        "helped": f"Against {real}, {pair.ours} is even better ({size}).",
        "hurt": f"Against {real}, {pair.ours} is worse ({size}).",
        "no difference shown": f"Against {real}, no difference is shown ({size}).",
    }[pair.verdict]


def limits(facts: ReportFacts) -> tuple[str, ...]:
    """What this run cannot tell, a sentence each: read off the facts, then the caller's own."""
    found = [*_limits_of_arms(facts), *_limits_of_proof(facts), *facts.caveats]
    sets = list(dict.fromkeys(one.name for model in facts.unknowns for one in model.sets))
    if not facts.measure.share:
        return (*found, f"Nothing is said about tasks unlike the {facts.test_items}.")
    found.append(
        f"Nothing is said about {facts.test_items} of another kind or from another place, "
        + (
            f"nor about inputs that belong to none of the labels, but for those that were tried: {', '.join(sets)}."
            if sets
            else "nor about inputs that belong to none of the labels: such inputs were not tried."
        )
    )
    return tuple(found)


def _limits_of_arms(facts: ReportFacts) -> list[str]:
    found = []
    single = [arm.name for arm in facts.arms if len(arm.seeds) == 1 and not is_base(arm.name)]
    if single:
        found.append(
            f"Trained once only: {', '.join(single)}. Another seed gives another model, "
            "and the intervals here do not hold that luck."
        )
    names = {arm.name for arm in facts.arms}
    missing = {
        "real": "how far from real data this is",
        "random-subset": "whether the choice helped, or merely having fewer samples",
        "permuted-labels": "whether the test itself can be passed without learning",
    }
    if not facts.measure.share:  # of tasks: there are no labels to shuffle, and real data are what people wrote
        missing = {"human": missing["real"], "random-subset": missing["random-subset"]}
    found += [
        f"Without the control arm {name}, this run cannot tell {why}."
        for name, why in missing.items()
        if name not in names
    ]
    if facts.comparisons:
        ours, theirs = facts.arm(facts.comparisons[0].ours), facts.arm(facts.comparisons[0].theirs)
        if is_base(ours.name) or is_base(theirs.name):
            tuned, start = (ours.name, theirs.name) if is_base(theirs.name) else (theirs.name, ours.name)
            found.append(
                f"{tuned} was tuned and {start} was not. Whether its data made the difference, or any tuning would "
                "have, only the other arms can tell."
            )
        elif ours.n_samples != theirs.n_samples and ours.steps != theirs.steps:
            found.append(
                f"{ours.name} and {theirs.name} differ in samples and in training steps, "
                "so the difference has more than one possible cause."
            )
    return found


def _smallest(facts: ReportFacts) -> str | None:
    """How large a difference so many test items can show, by how often the two models of the question differ."""
    main = facts.comparisons[0] if facts.comparisons else None
    if main is None or main.ours_only is None or main.theirs_only is None or main.difference.n < 2:
        return None
    differing = (main.ours_only + main.theirs_only) / main.difference.n
    points = 100 * minimum_detectable_difference(main.difference.n, differing, main.difference.level)
    return (
        f"Two models that differ on {words.percent(differing)} of {words.count(main.difference.n)} {facts.test_items}, "
        f"as these do, must be {points:.1f} points apart to be told apart in four runs of five; training luck comes on "
        "top of that."
    )


def _limits_of_proof(facts: ReportFacts) -> list[str]:
    found = []
    if facts.comparisons and facts.comparisons[0].verdict == "no difference shown":
        effect = facts.comparisons[0].difference
        if effect.low is not None and effect.high is not None:
            most = max(abs(effect.low), abs(effect.high))
            size = f"{100 * most:.1f} points" if facts.measure.share else words.number(most)
            found.append(f'"No difference shown" is not "no difference": one of up to {size} would fit these numbers.')
    if (shown := _smallest(facts)) is not None:
        found.append(shown)
    if len(facts.comparisons) > 1:
        found.append(
            f"The intervals of {words.plural(len(facts.comparisons), 'comparison')} hold one by one, each at its own "
            "level; the verdicts hold for all of them together."
        )
    for arm in facts.arms:
        if arm.name == "permuted-labels" and arm.per_class and (arm.result.low or 0) > 2 / len(arm.per_class):
            found.append(
                f"Warning: permuted-labels scored {words.percent(arm.result.estimate)}, far above guessing "
                f"({words.percent(1 / len(arm.per_class))}). Labels or test items may have leaked."
            )
    return found
