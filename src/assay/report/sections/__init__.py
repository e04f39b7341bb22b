"""The parts of the page, in reading order. Each is a function of the facts; None where there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable

from assay.analysis.report_data import ReportFacts
from assay.report.sections.answers import also, answers, duels, measures
from assay.report.sections.choices import choices
from assay.report.sections.diversity import variety
from assay.report.sections.generation import expert, funnel, scores, specimens
from assay.report.sections.learning import learning
from assay.report.sections.preferences import preferences
from assay.report.sections.proof import arms, classes, comparisons, limits, pupil
from assay.report.sections.provenance import cost, origin, provenance, training
from assay.report.sections.robustness import beside, calibration, drift, exchange, leakage, sets, strangers
from assay.report.sections.section import Section

SECTIONS: tuple[Callable[[ReportFacts], Section | None], ...] = (
    arms,
    comparisons,
    measures,
    duels,
    also,
    answers,
    exchange,
    limits,
    leakage,
    funnel,
    preferences,
    specimens,
    scores,
    choices,
    variety,
    expert,
    drift,
    sets,
    classes,
    pupil,
    beside,
    strangers,
    calibration,
    learning,
    training,
    cost,
    provenance,
    origin,
)

__all__ = ["SECTIONS", "Section"]
