"""The proof: the arms, the differences between them, and what they cannot tell."""

from __future__ import annotations

from assay.report import answer
from assay.report.charts import Strip, arm_class, ruler, strip, strip_axis
from assay.report.facts import Arm, Comparison, ReportFacts
from assay.report.sections.matrix import matrix
from assay.report.sections.section import Section
from assay.report.template import fill
from assay.report.words import percent, percent_between, points, points_between

EQUAL = {
    "steps": "Every arm took as many optimiser steps, however many samples it has.",
    "samples": "Every arm took as many optimiser steps, and learnt from as many samples but where its name says else.",
}
TONES = {"helped": "helped", "hurt": "hurt", "no difference shown": "unclear"}


def arms(facts: ReportFacts) -> Section | None:
    """How every model did on the real test items, as a table with its plot."""
    if not facts.arms:
        return None
    first = facts.arm(facts.comparisons[0].ours) if facts.comparisons else facts.arms[0]
    others = [arm.accuracy for arm in facts.arms if arm is not first]
    axis = strip_axis([first.accuracy, *others])
    rows = [(arm, arm_class(arm.name), strip(_strip_of(arm), axis)) for arm in facts.arms]
    values = {"facts": facts, "rows": rows, "ruler": ruler(axis, "%"), "equal": EQUAL[facts.equal]}
    return Section("arms", "How well each model did", fill("arms.html", values))


def _strip_of(arm: Arm) -> Strip:
    return Strip(
        f"{arm.name}: accuracy {percent(arm.accuracy.estimate)}, interval {percent_between(arm.accuracy)}",
        arm.accuracy,
        arm_class(arm.name),
        arm.seed_accuracies if len(arm.seeds) > 1 else (),
    )


def comparisons(facts: ReportFacts) -> Section | None:
    """Every difference between two arms, with its interval, its verdict and a sentence."""
    if not facts.comparisons:
        return None
    axis = strip_axis([pair.difference for pair in facts.comparisons], signed=True)
    rows = [
        (pair, answer.comparison_sentence(pair), TONES[pair.verdict], strip(_strip_between(pair), axis, zero=0.0))
        for pair in facts.comparisons
    ]
    values = {"facts": facts, "rows": rows, "ruler": ruler(axis, "")}
    return Section("comparisons", "What made the difference", fill("comparisons.html", values))


def _strip_between(pair: Comparison) -> Strip:
    label = f"{pair.ours} minus {pair.theirs}: {points(pair.difference)}, interval {points_between(pair.difference)}"
    return Strip(label, pair.difference, TONES[pair.verdict])


def limits(facts: ReportFacts) -> Section | None:
    """What this run cannot tell."""
    body = fill("limits.html", {"limits": answer.limits(facts)})
    return Section("limits", "What this run cannot tell", body)


def classes(facts: ReportFacts) -> Section | None:
    """Accuracy by label, an arm a column."""
    shown = [arm for arm in facts.arms if arm.per_class]
    if not shown:
        return None
    labels = list(dict.fromkeys(label for arm in shown for label, _ in arm.per_class))
    by_arm = [dict(arm.per_class) for arm in shown]
    rows = [(label, [effects.get(label) for effects in by_arm]) for label in labels]
    heads = [(arm.name, arm_class(arm.name)) for arm in shown]
    return Section("classes", "Label by label", fill("classes.html", {"facts": facts, "heads": heads, "rows": rows}))


def pupil(facts: ReportFacts) -> Section | None:
    """What the trained model takes for what."""
    if facts.pupil is None:
        return None
    caption = (
        f"The model trained on {facts.pupil.arm}, on {facts.test_items}: true label (row) and its answer (column). "
        "The stronger the colour, the larger the share of the row; blue is where both agree."
    )
    table = matrix(facts.pupil.confusion, caption, "true label")
    title = "What the trained model mixes up"
    return Section("pupil", title, fill("pupil.html", {"pupil": facts.pupil, "facts": facts, "matrix": table}))
