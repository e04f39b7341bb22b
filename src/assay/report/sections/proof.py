"""The proof: the arms, the differences between them, and what they cannot tell."""

from __future__ import annotations

from assay.analysis import verdict as answer
from assay.analysis.measures import Measure
from assay.analysis.proof import Arm, Comparison
from assay.analysis.report_data import ReportFacts
from assay.core.arms import BASE, is_base
from assay.report.charts import Strip, arm_class, ruler, strip, strip_axis
from assay.report.sections.confusion_matrix import matrix
from assay.report.sections.section import Section
from assay.report.template import fill

EQUAL = {
    "steps": "Every arm took as many optimizer steps, however many samples it has.",
    "samples": "Every arm took as many optimizer steps, and learned from as many samples but where its name says else.",
}
NOT_TRAINED = f" {BASE.capitalize()} took none."
TONES = {"helped": "helped", "hurt": "hurt", "no difference shown": "unclear"}


def arms(facts: ReportFacts) -> Section | None:
    """How every model did on the real test items, as a table with its plot."""
    if not facts.arms:
        return None
    first = facts.arm(facts.comparisons[0].ours) if facts.comparisons else facts.arms[0]
    measure = facts.measure
    others = [arm.result for arm in facts.arms if arm is not first]
    axis = strip_axis([measure.drawn(effect) for effect in (first.result, *others)])
    rows = [(arm, arm_class(arm.name), strip(_strip_of(arm, measure), axis)) for arm in facts.arms]
    values = {
        "facts": facts,
        "rows": rows,
        "ruler": ruler(axis, "%" if measure.share else ""),
        "equal": EQUAL[facts.equal] + (NOT_TRAINED if any(is_base(arm.name) for arm in facts.arms) else ""),
    }
    return Section("arms", "How well each model did", fill("arms.html", values))


def _strip_of(arm: Arm, measure: Measure) -> Strip:
    return Strip(
        f"{arm.name}: {measure.name} {measure.value(arm.result)}, interval {measure.between(arm.result)}",
        measure.drawn(arm.result),
        arm_class(arm.name),
        tuple(measure.drawn_at(value) for value in arm.seed_results) if len(arm.seeds) > 1 else (),
    )


def comparisons(facts: ReportFacts) -> Section | None:
    """Every difference between two arms, with its interval, its verdict and a sentence."""
    if not facts.comparisons:
        return None
    measure = facts.measure
    axis = strip_axis([measure.drawn(pair.difference) for pair in facts.comparisons], signed=True)
    rows = [
        (
            pair,
            answer.comparison_sentence(pair, measure),
            TONES[pair.verdict],
            strip(_strip_between(pair, measure), axis, zero=0.0),
        )
        for pair in facts.comparisons
    ]
    values = {"facts": facts, "measure": measure, "rows": rows, "ruler": ruler(axis, "")}
    return Section("comparisons", "What made the difference", fill("comparisons.html", values))


def _strip_between(pair: Comparison, measure: Measure) -> Strip:
    gap, between = measure.gap(pair.difference), measure.gap_between(pair.difference)
    label = f"{pair.ours} minus {pair.theirs}: {gap}, interval {between}"
    return Strip(label, measure.drawn(pair.difference), TONES[pair.verdict])


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
        "The stronger the color, the larger the share of the row; blue is where both agree."
    )
    table = matrix(facts.pupil.confusion, caption, "true label")
    title = "What the trained model mixes up"
    return Section("pupil", title, fill("pupil.html", {"pupil": facts.pupil, "facts": facts, "matrix": table}))
