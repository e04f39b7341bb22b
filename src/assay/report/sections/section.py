"""Sections of the report, and the interface of sections in plug-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from markupsafe import Markup

from assay.analysis.finished_run import FinishedRun
from assay.analysis.report_data import ReportData


@dataclass(frozen=True)
class Section:
    """One part of the page, with its heading."""

    anchor: str
    """HTML id."""
    title: str
    body: Markup


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


def section_of(plugin: SectionPlugin) -> ReportSection:
    """Adapt a plug-in's section."""

    def draw(report: ReportData) -> Section | None:
        data = report.sections[plugin.name]
        return None if data is None else Section(plugin.name, plugin.title, Markup(plugin.render(data)))

    return ReportSection(plugin.name, plugin.analyze, draw)
