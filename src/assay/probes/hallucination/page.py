"""Report page of the hallucination probe: AUROC and risk-coverage curves of uncertainty scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from assay.analysis.format import (
    count,
    number,
    number_between,
    percent,
    percent_between,
    plural,
    points,
    points_between,
    signed,
)
from assay.probes.hallucination.probe import CHOSEN, HallucinationResult, ProbedQuestion, UncertaintyScore
from assay.report.axis import Axis, axis_between, axis_over
from assay.report.charts import risk_line
from assay.report.document import Finding, Head, Section, Tile, Tone, versions_fact, with_head
from assay.report.template import fill

LIMITS = (
    "An answer is correct if the nearest reference answer by sentence embeddings is a true one. This is approximate: "
    "negations may be matched to the statement they negate. Check the examples.",
    "Consistently wrong answers have high confidence: no score here detects them.",
    "The questions were selected as common misconceptions; results may not generalize to other questions.",
    "The finding is based on one pre-specified score; selecting the best of several scores would be optimistic.",
    "Intervals: bootstrap over questions for curves, Wilson for the risk at a coverage.",
)
MAIN = "semantic-entropy"
"""The pre-specified score of the finding."""
EXAMPLES = 4


def render(found: HallucinationResult, source: str, versions: Mapping[str, str]) -> str:
    """Render the self-contained HTML page. Write it with UTF-8."""
    model = found.setup.model
    main = _main(found)
    finding = Finding(
        _tone(found), headline(found), tuple(sentences(found))
    )  # fmt: skip
    tiles = (
        Tile("error rate", percent(1 - found.right.estimate), f"of {count(found.right.n)} answers"),
        *(
            [Tile("risk at 50% coverage", percent(main.curve.points[2].risk.estimate), f"by {main.name}")]
            if main is not None
            else []
        ),
        *([Tile("multiple-choice accuracy", percent(found.chosen.estimate), "by likelihood")] if found.chosen else []),
    )
    head = Head("probe hallucination", f"Hallucination probe of {model}", finding, tiles)
    return with_head(head, [_curves(found), *_examples(found, main), _counted(found, source, versions)])


def headline(found: HallucinationResult) -> str:
    """Headline of the result."""
    main = _main(found)
    if main is None or main.auroc is None:
        return "AUROC is undefined."
    if _shown(main):
        return f"Confidence by {MAIN} is lower for wrong answers."
    return f"Confidence by {MAIN} is not significantly lower for wrong answers."


def sentences(found: HallucinationResult) -> list[str]:
    """Summary sentences with numbers."""
    wrong = 1 - found.right.estimate
    sentences_ = [
        f"Error rate of {found.setup.model}: {percent(wrong)} ({_error_interval(found)}) of "
        f"{plural(found.right.n, 'answer')}."
    ]
    main = _main(found)
    if main is not None and main.auroc is not None:
        half = main.curve.points[2]
        sentences_.append(
            f"AUROC of {main.name}: {number(main.auroc.estimate)} ({number_between(main.auroc)}); risk at 50% coverage "
            f"{percent(half.risk.estimate)} ({percent_between(half.risk)})."
        )
    if found.chosen is not None:
        sentences_.append(
            f"Multiple-choice accuracy by likelihood: {percent(found.chosen.estimate)} "
            f"({percent_between(found.chosen)}) of {plural(found.chosen.n, 'question')}."
        )
    if lacking := [item for item in found.items if item.right is None]:
        sentences_.append(f"{plural(len(lacking), 'question')} failed: {lacking[0].lack}.")
    return sentences_


def rows(found: HallucinationResult) -> list[list[str]]:
    """One row per score: name, AUROC, risk by coverage, risk reduction."""
    return [_row(one) for one in (*found.scores, *([found.choices] if found.choices else []))]


def _row(one: UncertaintyScore) -> list[str]:
    auroc = f"{number(one.auroc.estimate)} ({number_between(one.auroc)})" if one.auroc else "-"
    risks = [percent(point.risk.estimate) for point in one.curve.points]
    return [one.name, auroc, *risks, f"{points(one.curve.gain)} ({points_between(one.curve.gain)})"]


def _main(found: HallucinationResult) -> UncertaintyScore | None:
    """The pre-specified score; selecting the best of several would be biased."""
    return next((one for one in found.scores if one.name == MAIN and one.auroc is not None), None)


def _shown(main: UncertaintyScore) -> bool:
    return main.curve.gain.low is not None and main.curve.gain.low > 0


def _tone(found: HallucinationResult) -> Tone:
    main = _main(found)
    return "helped" if main is not None and _shown(main) else "unclear"


def _error_interval(found: HallucinationResult) -> str:
    """Interval of the error rate."""
    if found.right.low is None or found.right.high is None:
        return "no interval below n = 2"
    return f"{100 * (1 - found.right.high):.1f} to {100 * (1 - found.right.low):.1f}"


def _curves(found: HallucinationResult) -> Section:
    first = max(1, found.right.n // 10)
    sampled = [*found.scores, *([found.choices] if found.choices else [])]
    up = axis_over([0.0, *(100 * risk for one in sampled for risk in one.curve.risk[first - 1 :])], ticks=4)
    axes = axis_between(0, 100), up
    values = {
        "scores": [(one, _row(one), _plot(one, axes, first)) for one in sampled],
        "main": MAIN,
        "choices": CHOSEN,
        "wrong": percent(1 - found.right.estimate),
        "first": first,
    }
    return Section("risk", "Selective prediction", fill("risk.html", values))


def _plot(one: UncertaintyScore, axes: tuple[Axis, Axis], first: int) -> Markup:
    """Curve from the `first` most confident answers on; before that it is too noisy."""
    points = [
        (100 * at, 100 * risk)
        for nth, (at, risk) in enumerate(zip(one.curve.coverage, one.curve.risk, strict=True), start=1)
        if nth >= first
    ]
    level = 100 * one.curve.risk[-1]
    return risk_line(points, axes, level, f"Risk by coverage, most confident first by {one.name}")


def _examples(found: HallucinationResult, main: UncertaintyScore | None) -> list[Section]:
    if main is None:
        return []
    known = sorted(
        (item for item in found.items if main.name in item.confidence), key=lambda one: -one.confidence[main.name]
    )
    groups: Sequence[tuple[str, list[ProbedQuestion]]] = (
        ("Confident and wrong", [item for item in known if not item.right][:EXAMPLES]),
        ("Confident and correct", [item for item in known if item.right][:EXAMPLES]),
        ("Uncertain and wrong", [item for item in reversed(known) if not item.right][:EXAMPLES]),
        ("Uncertain and correct", [item for item in reversed(known) if item.right][:EXAMPLES]),
    )
    shown = [
        (name, [(item, number(abs(item.confidence[main.name])), signed(item.margin)) for item in own])
        for name, own in groups
        if own
    ]
    values = {"groups": shown, "score": main.name}
    return [Section("examples", "Example answers", fill("risk_examples.html", values))]


def _counted(found: HallucinationResult, source: str, versions: Mapping[str, str]) -> Section:
    setup, sampled = found.setup, found.setup.sampling
    facts = [
        ("questions", f"{count(len(found.items))} of {source}, sampled with seed {setup.seed}"),
        ("prompt", f"{setup.system!r}, then the question; greedy, at most {setup.max_tokens} tokens"),
        ("sampling", f"{sampled.samples} answers per question at temperature {sampled.temperature:g}"),
        ("semantic equivalence", f"score of at least {sampled.threshold:g} by {sampled.by} with {sampled.judge}"),
        ("correctness", f"nearest reference answer by {setup.encoder}"),
        (CHOSEN, "log-likelihoods of the reference answers; any true answer counts"),
        *versions_fact(versions),
    ]
    return Section(
        "counted",
        "Settings and limitations",
        fill("risk_counted.html", {"facts": facts, "limits": LIMITS}),
    )
