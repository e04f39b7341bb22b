"""Registry of the report's sections, in reading order.

To add a section, write its analysis in `assay.analysis`, its drawing function and template here, and one line in
`SECTIONS`. A plug-in registers an object like `SectionPlugin` in the entry-point group `assay.sections` instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from markupsafe import Markup

from assay.analysis import proof as analyze_proof
from assay.analysis import provenance as analyze_provenance
from assay.analysis.finished_run import FinishedRun
from assay.analysis.models import answers as analyze_answers
from assay.analysis.models import classifiers as analyze_classifiers
from assay.analysis.models import exchange_rate as analyze_exchange_rate
from assay.analysis.models import ood_detection as analyze_ood
from assay.analysis.models import training as analyze_training
from assay.analysis.report_data import ReportData, analyze
from assay.analysis.samples import distances as analyze_distances
from assay.analysis.samples import diversity as analyze_diversity
from assay.analysis.samples import examples as analyze_examples
from assay.analysis.samples import funnel as analyze_funnel
from assay.analysis.samples import preferences as analyze_preferences
from assay.analysis.samples import score_selection as analyze_selection
from assay.analysis.samples import scores as analyze_scores
from assay.core.errors import UserError
from assay.report.document import Section
from assay.report.sections import (
    answers,
    classifiers,
    distances,
    diversity,
    exchange_rate,
    ood_detection,
    preferences,
    proof,
    provenance,
    samples,
    training,
)

GROUP = "assay.sections"


@dataclass(frozen=True)
class ReportSection:
    """A section of the report: the analysis that it needs, and the function that draws it.

    The result of `analyze` is stored under `name` in the report data and in `results.json`. Several sections may draw
    the same result.
    """

    name: str
    analyze: Callable[[FinishedRun], Any]
    """Return plain data: dataclasses, mappings, sequences, strings, numbers, or None."""
    draw: Callable[[ReportData], Section | None]
    """Return the section, or None if there is nothing to show."""


@runtime_checkable
class SectionPlugin(Protocol):
    """A section of a plug-in, registered in the entry-point group `assay.sections`."""

    name: str
    """Key in `results.json` and HTML id."""
    title: str
    """Heading."""

    def analyze(self, run: FinishedRun) -> Any:
        """Return plain data: dataclasses, mappings, sequences, strings, numbers, or None for no section."""

    def render(self, data: Any) -> str:
        """Return an HTML fragment with text escaped, for example by `assay.report.template.fill`."""


SECTIONS: tuple[ReportSection, ...] = (
    ReportSection("arms", analyze_proof.arms, proof.arms),
    ReportSection("comparisons", analyze_proof.comparisons, proof.comparisons),
    ReportSection("other_measures", analyze_answers.other_measures, answers.other_measures),
    ReportSection("pairwise_comparisons", analyze_answers.pairwise_comparisons, answers.pairwise_comparisons),
    ReportSection("auxiliary_evaluation", analyze_answers.auxiliary_evaluation, answers.auxiliary_evaluation),
    ReportSection("example_answers", analyze_answers.example_answers, answers.example_answers),
    ReportSection("exchange_rate", analyze_exchange_rate.exchange_rate, exchange_rate.exchange_rate),
    ReportSection("comparisons", analyze_proof.comparisons, proof.limitations),
    ReportSection("leakage", analyze_distances.leakage, distances.leakage),
    ReportSection("funnel", analyze_funnel.funnel, samples.funnel),
    ReportSection("preference_pairs", analyze_preferences.preference_pairs, preferences.preference_pairs),
    ReportSection("examples", analyze_examples.examples, samples.examples),
    ReportSection("scores", analyze_scores.score_columns, samples.scores),
    ReportSection("score_selection", analyze_selection.score_selection, samples.score_selection),
    ReportSection("diversity", analyze_diversity.diversity, diversity.diversity),
    ReportSection("reference_classifier", analyze_classifiers.reference_classifier, classifiers.reference_classifier),
    ReportSection("label_agreement", analyze_classifiers.label_agreement, classifiers.label_agreement),
    ReportSection("distribution_distance", analyze_distances.distribution_distance, distances.distribution_distance),
    ReportSection("arms", analyze_proof.arms, proof.per_class),
    ReportSection("trained_classifier", analyze_classifiers.trained_classifier, classifiers.trained_classifier),
    ReportSection("reference_vs_trained", analyze_classifiers.reference_vs_trained, classifiers.reference_vs_trained),
    ReportSection("ood_detection", analyze_ood.ood_detection, ood_detection.ood_detection),
    ReportSection("calibration", analyze_ood.model_calibration, ood_detection.calibration),
    ReportSection("training", analyze_training.training, training.training),
    ReportSection("arms", analyze_proof.arms, proof.loss_curves),
    ReportSection("cost", analyze_provenance.cost, provenance.cost),
    ReportSection("provenance", analyze_provenance.provenance, provenance.provenance),
    ReportSection("reproduction", analyze_provenance.reproduction, provenance.reproduction),
)


def all_sections() -> tuple[ReportSection, ...]:
    """Return the sections of assay, then those of plug-ins by name.

    Raises:
        UserError: A plug-in's section cannot be loaded, is not a section, or has a name that is taken.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    names = {section.name for section in SECTIONS} | {part.name for part in fields(ReportData)}
    plugins = []
    for point in points:
        try:
            loaded = point.load()
        except Exception as error:
            raise UserError(f"Section {point.name!r} of {point.value!r} cannot be loaded: {error}") from error
        plugin = loaded() if isinstance(loaded, type) else loaded
        if not isinstance(plugin, SectionPlugin):
            raise UserError(f"Section {point.name!r} needs name, title, analyze(run) and render(data).")
        if plugin.name in names:
            raise UserError(f"Section {point.name!r} has the name {plugin.name!r}, which another section has.")
        names.add(plugin.name)
        plugins.append(_section_of(plugin))
    return (*SECTIONS, *plugins)


def _section_of(plugin: SectionPlugin) -> ReportSection:
    """Adapt a plug-in's section."""

    def draw(report: ReportData) -> Section | None:
        data = report.sections[plugin.name]
        return None if data is None else Section(plugin.name, plugin.title, Markup(plugin.render(data)))

    return ReportSection(plugin.name, plugin.analyze, draw)


def analyze_run(run: FinishedRun) -> ReportData:
    """Run the analysis of every section, plug-ins included, on a finished run."""
    analyses: dict[str, Callable[[FinishedRun], Any]] = {}
    for section in all_sections():
        analyses.setdefault(section.name, section.analyze)
    return analyze(run, analyses)


def drawn_sections(data: ReportData) -> list[Section]:
    """Draw every section that has data.

    Sections of plug-ins are drawn if the report data holds their results.
    """
    available = {part.name for part in fields(ReportData)} | set(data.sections)
    sections = (section.draw(data) for section in all_sections() if section.name in available)
    return [section for section in sections if section is not None]
