"""Report page of the hallucination probe: AUROC and risk-coverage curves of uncertainty scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from assay.analysis.format import (
    count,
    number,
    number_between,
    number_ci,
    percent,
    percent_ci,
    plural,
    points,
    points_between,
    signed,
)
from assay.core.effect import Effect
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
PRIMARY = "semantic-entropy"
"""The pre-specified score of the finding."""
EXAMPLES = 4
"""Maximum number of examples per group."""


def render(result: HallucinationResult, source: str, versions: Mapping[str, str]) -> str:
    """Render the self-contained HTML page. Write it with UTF-8."""
    model = result.setup.model
    primary = _primary(result)
    finding = Finding(_tone(result), headline(result), tuple(sentences(result)))
    tiles = (
        Tile("error rate", percent(1 - result.right.estimate), f"of {count(result.right.n)} answers"),
        *(
            [Tile("risk at 50% coverage", percent(primary.curve.points[2].risk.estimate), f"by {primary.name}")]
            if primary is not None
            else []
        ),
        *(
            [Tile("multiple-choice accuracy", percent(result.chosen.estimate), "by likelihood")]
            if result.chosen
            else []
        ),
    )
    head = Head("probe hallucination", f"Hallucination probe of {model}", finding, tiles)
    return with_head(head, [_curves(result), *_examples(result, primary), _settings_section(result, source, versions)])


def headline(result: HallucinationResult) -> str:
    """Headline of the result."""
    primary = _primary(result)
    if primary is None or primary.auroc is None:
        return "AUROC is undefined."
    if _detects_errors(primary):
        return f"Confidence by {PRIMARY} is lower for wrong answers."
    return f"Confidence by {PRIMARY} is not significantly lower for wrong answers."


def sentences(result: HallucinationResult) -> list[str]:
    """Summary sentences with numbers."""
    lines = [f"Error rate of {result.setup.model}: {percent_ci(_error_rate(result))}."]
    primary = _primary(result)
    if primary is not None and primary.auroc is not None:
        half = primary.curve.points[2]
        lines.append(
            f"AUROC of {primary.name}: {number_ci(primary.auroc)}; risk at 50% coverage "
            f"{percent_ci(half.risk, n=False)}."
        )
    if result.chosen is not None:
        lines.append(f"Multiple-choice accuracy by likelihood: {percent_ci(result.chosen)}.")
    if failed := [item for item in result.items if item.right is None]:
        lines.append(f"{plural(len(failed), 'question')} failed: {failed[0].lack}.")
    return lines


def rows(result: HallucinationResult) -> list[list[str]]:
    """One row per score: name, AUROC, risk by coverage, risk reduction."""
    return [_row(score) for score in (*result.scores, *([result.choices] if result.choices else []))]


def _row(score: UncertaintyScore) -> list[str]:
    auroc = f"{number(score.auroc.estimate)} ({number_between(score.auroc)})" if score.auroc else "-"
    risks = [percent(point.risk.estimate) for point in score.curve.points]
    return [score.name, auroc, *risks, f"{points(score.curve.gain)} ({points_between(score.curve.gain)})"]


def _primary(result: HallucinationResult) -> UncertaintyScore | None:
    """The pre-specified score; selecting the best of several would be biased."""
    return next((score for score in result.scores if score.name == PRIMARY and score.auroc is not None), None)


def _detects_errors(score: UncertaintyScore) -> bool:
    return score.curve.gain.low is not None and score.curve.gain.low > 0


def _tone(result: HallucinationResult) -> Tone:
    primary = _primary(result)
    return "helped" if primary is not None and _detects_errors(primary) else "unclear"


def _error_rate(result: HallucinationResult) -> Effect:
    right = result.right
    low, high = (None if bound is None else 1 - bound for bound in (right.high, right.low))
    return replace(right, estimate=1 - right.estimate, low=low, high=high)


def _curves(result: HallucinationResult) -> Section:
    first = max(1, result.right.n // 10)
    scores = [*result.scores, *([result.choices] if result.choices else [])]
    risk_axis = axis_over([0.0, *(100 * risk for score in scores for risk in score.curve.risk[first - 1 :])], ticks=4)
    axes = axis_between(0, 100), risk_axis
    values = {
        "scores": [(score, _row(score), _plot(score, axes, first)) for score in scores],
        "main": PRIMARY,
        "choices": CHOSEN,
        "wrong": percent(1 - result.right.estimate),
        "first": first,
    }
    return Section("risk", "Selective prediction", fill("risk.html", values))


def _plot(score: UncertaintyScore, axes: tuple[Axis, Axis], first: int) -> Markup:
    """Curve from the `first` most confident answers on; before that it is too noisy."""
    points = [
        (100 * at, 100 * risk)
        for nth, (at, risk) in enumerate(zip(score.curve.coverage, score.curve.risk, strict=True), start=1)
        if nth >= first
    ]
    level = 100 * score.curve.risk[-1]
    return risk_line(points, axes, level, f"Risk by coverage, most confident first by {score.name}")


def _examples(result: HallucinationResult, primary: UncertaintyScore | None) -> list[Section]:
    if primary is None:
        return []
    ranked = sorted(
        (item for item in result.items if primary.name in item.confidence),
        key=lambda item: -item.confidence[primary.name],
    )
    groups: Sequence[tuple[str, list[ProbedQuestion]]] = (
        ("Confident and wrong", [item for item in ranked if not item.right][:EXAMPLES]),
        ("Confident and correct", [item for item in ranked if item.right][:EXAMPLES]),
        ("Uncertain and wrong", [item for item in reversed(ranked) if not item.right][:EXAMPLES]),
        ("Uncertain and correct", [item for item in reversed(ranked) if item.right][:EXAMPLES]),
    )
    examples = [
        (name, [(item, number(abs(item.confidence[primary.name])), signed(item.margin)) for item in items])
        for name, items in groups
        if items
    ]
    values = {"groups": examples, "score": primary.name}
    return [Section("examples", "Example answers", fill("risk_examples.html", values))]


def _settings_section(result: HallucinationResult, source: str, versions: Mapping[str, str]) -> Section:
    setup, sampling = result.setup, result.setup.sampling
    facts = [
        ("questions", f"{count(len(result.items))} of {source}, sampled with seed {setup.seed}"),
        ("prompt", f"{setup.system!r}, then the question; greedy, at most {setup.max_tokens} tokens"),
        ("sampling", f"{sampling.samples} answers per question at temperature {sampling.temperature:g}"),
        ("semantic equivalence", f"score of at least {sampling.threshold:g} by {sampling.by} with {sampling.judge}"),
        ("correctness", f"nearest reference answer by {setup.encoder}"),
        (CHOSEN, "log-likelihoods of the reference answers; any true answer counts"),
        *versions_fact(versions),
    ]
    return Section(
        "counted",
        "Settings and limitations",
        fill("risk_counted.html", {"facts": facts, "limits": LIMITS}),
    )
