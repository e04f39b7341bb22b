"""Sections on the models' answers: other measures, auxiliary evaluation, pairwise comparisons, example answers."""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.format import level
from assay.analysis.models.answers import MeasureResult
from assay.analysis.proof import ArmComparison
from assay.analysis.report_data import ReportData
from assay.report.charts import arm_class
from assay.report.document import Section
from assay.report.sections.proof import TONES
from assay.report.template import fill


def other_measures(data: ReportData) -> Section | None:
    """Draw other measures of the same answers."""
    return _table(data, data.other_measures, "other_measures", "Other measures", auxiliary=False)


def auxiliary_evaluation(data: ReportData) -> Section | None:
    """Draw the auxiliary evaluations of every model."""
    return _table(data, data.auxiliary_evaluation, "auxiliary_evaluation", "Auxiliary evaluation", auxiliary=True)


def _table(
    data: ReportData, results: Sequence[MeasureResult], anchor: str, title: str, *, auxiliary: bool
) -> Section | None:
    if not results:
        return None
    heads = [(arm.name, arm_class(arm.name)) for arm in data.arms]
    rows = [(result, _main(data, result), _items(result)) for result in results]
    effects = (effect for result in results for effect in result.arms.values())
    values = {
        "data": data,
        "heads": heads,
        "rows": rows,
        "tones": TONES,
        "auxiliary": auxiliary,
        "level": next((level(effect) for effect in effects), "95%"),
    }
    return Section(anchor, title, fill("models/other_measures.html", values))


def _items(result: MeasureResult) -> int | None:
    return next((effect.n for effect in result.arms.values()), None)


def _main(data: ReportData, result: MeasureResult) -> ArmComparison | None:
    """Return the comparison of the recipe's question."""
    main_pairs = [(pair.ours, pair.theirs) for pair in data.comparisons[:1]]
    return next((pair for pair in result.comparisons if (pair.ours, pair.theirs) in main_pairs), None)


def pairwise_comparisons(data: ReportData) -> Section | None:
    """Draw the win rates by the judge."""
    if not data.pairwise_comparisons:
        return None
    rows = [(pair, arm_class(pair.ours), TONES[pair.verdict]) for pair in data.pairwise_comparisons]
    body = fill("models/pairwise_comparisons.html", {"data": data, "rows": rows})
    return Section("pairwise_comparisons", "Pairwise comparisons by a judge", body)


def example_answers(data: ReportData) -> Section | None:
    """Show held-out tasks with every model's answer."""
    if not data.example_answers:
        return None
    heads = {arm.name: arm_class(arm.name) for arm in data.arms}
    return Section(
        "example_answers", "Example answers", fill("models/example_answers.html", {"data": data, "heads": heads})
    )
