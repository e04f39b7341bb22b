"""What a sceptic asks: strangers, calibration, the expert beside the pupil, where the generator drifts."""

from __future__ import annotations

from base64 import b64encode

from markupsafe import Markup

from assay.analysis.format import count, percent
from assay.analysis.report_data import Confusion, ReportFacts
from assay.analysis.robustness import Calibrated, Reach, SideBySide
from assay.report.axis import axis_between, axis_over
from assay.report.charts import reliability, risk_line
from assay.report.charts import worth as worth_chart
from assay.report.sections.confusion_matrix import matrix
from assay.report.sections.generation import is_small
from assay.report.sections.section import Section
from assay.report.template import fill


def strangers(facts: ReportFacts) -> Section | None:
    """What the models make of inputs that belong to none of their labels."""
    if not facts.unknowns:
        return None
    models = [
        (
            model,
            [{**vars(one), "main": one.method == model.method} for one in model.sets],
            [(one, b64encode(one.png).decode("ascii"), is_small(one.png)) for one in model.shown],
        )
        for model in facts.unknowns
    ]
    body = fill("strangers.html", {"facts": facts, "models": models})
    return Section("strangers", "What it makes of things it has never seen", body)


def calibration(facts: ReportFacts) -> Section | None:
    """Whether confidence can be believed."""
    if not facts.calibration:
        return None
    rows = [
        (one, [("as trained", reliability(one.before)), ("with its temperature", reliability(one.after))])
        for one in facts.calibration
    ]
    values = {"facts": facts, "rows": rows, "silence": _silence(facts)}
    return Section("calibration", "How sure it may be", fill("calibration.html", values))


def _silence(facts: ReportFacts) -> list[tuple[Calibrated, Markup]]:
    """Wrong answers by the share that is answered, on one pair of axes."""
    across = axis_between(0, 100)
    up = axis_over([0.0, *(100 * risk for one in facts.calibration for risk in one.silence.risk)], ticks=4)
    return [
        (
            one,
            risk_line(
                [(100 * x, 100 * y) for x, y in zip(one.silence.coverage, one.silence.risk, strict=True)],
                (across, up),
                100 * one.silence.risk[-1],
                f"{one.model}: wrong answers by the share that is answered, surest first",
            ),
        )
        for one in facts.calibration
    ]


def beside(facts: ReportFacts) -> Section | None:
    """The expert and the pupil on the same held-out items."""
    found = facts.beside
    if found is None:
        return None
    caption = (
        f"{facts.test_items.capitalize()}: what the expert said (row) and what the pupil said (column). "
        "The stronger the color, the larger the share of the row; blue is where both agree."
    )
    table = matrix(Confusion(found.labels, found.labels, found.answers), caption, "expert")
    values = {"facts": facts, "beside": found, "matrix": table, "sizes": _sizes(found)}
    return Section("beside", "The expert beside the pupil", fill("beside.html", values))


def _sizes(found: SideBySide) -> list[tuple[str, str, str]]:
    return [
        (
            name,
            count(found.parameters[name]),
            count(round(1e6 / found.microseconds[name])),
        )
        for name in found.microseconds
    ]


def leakage(facts: ReportFacts) -> Section | None:
    """Whether the test is clean."""
    if not facts.leakage:
        return None
    return Section(
        "leakage", "Is the test clean?", fill("leakage.html", {"rows": facts.leakage, "texts": facts.of_texts})
    )


def sets(facts: ReportFacts) -> Section | None:
    """How the sets of images differ."""
    if not facts.sets:
        return None
    return Section("sets", "How the sets differ", fill("sets.html", {"rows": facts.sets}))


def exchange(facts: ReportFacts) -> Section | None:
    """What the generated samples are worth in real ones."""
    found = facts.exchange
    if found is None:
        return None
    worth = "more than this curve ever reaches" if found.worth.estimate is None else f"{_samples(found.worth.estimate)}"
    taught = f"{count(found.samples)} samples of {found.arm} taught as much as {worth} real ones"
    sentence = f"{taught}: {percent(found.accuracy)} right."
    rows = [
        ("Real samples they are worth", *_reach(found.worth)),
        ("Real samples for each generated one", *_reach(found.rate, digits=2)),
        (f"Real samples for {percent(found.goal)}", *_reach(found.needed)),
        ("Real samples from which doubling brings less than a point", *_reach(found.stops)),
    ]
    body = fill("exchange.html", {"found": found, "worth": sentence, "rows": rows, "chart": worth_chart(found)})
    return Section("exchange", "What the generated samples are worth", body)


def _reach(reach: Reach, digits: int = 0) -> tuple[str, str]:
    if not reach.interval:
        return _samples(reach.estimate, digits), "none: too few measurements"
    ends = [_samples(value, digits) for value in (reach.estimate, reach.low, reach.high)]
    return ends[0], ends[1] if ends[1] == ends[2] else f"{ends[1]} to {ends[2]}"


def _samples(value: float | None, digits: int = 0) -> str:
    return "never" if value is None else f"{value:,.{digits}f}"


def drift(facts: ReportFacts) -> Section | None:
    """Which labels the generator misses."""
    if not facts.drift:
        return None
    rows = sorted(facts.drift, key=lambda row: row.agrees.estimate)
    return Section(
        "drift",
        "Where the generator drifts",
        fill("drift.html", {"facts": facts, "rows": rows, "pupils": [arm for arm, _ in rows[0].pupils]}),
    )
