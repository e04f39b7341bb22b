"""A page of assay's: its head with the answer first, its sections, and the one style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from markupsafe import Markup

from assay.report.sections.section import Section
from assay.report.template import TEMPLATES, fill

Tone: TypeAlias = Literal["helped", "hurt", "unclear"]
ICONS: dict[Tone, str] = {"helped": "▲", "hurt": "▼", "unclear": "○"}


@dataclass(frozen=True)
class Tile:
    """A number of the first screen."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """What was shown, or was not."""

    tone: Tone
    headline: str
    """A few words."""
    sentences: tuple[str, ...]
    """With the numbers."""


@dataclass(frozen=True)
class Head:
    """The first screen."""

    command: str
    """What made the page, such as "eval"."""
    question: str
    finding: Finding
    tiles: tuple[Tile, ...]


def with_head(head: Head, sections: Sequence[Section]) -> str:
    """The whole page as HTML, with nothing to fetch. Write it with UTF-8."""
    values = {"head": head, "icon": ICONS[head.finding.tone]}
    return document(head.question, fill("head.html", values), sections)


def document(name: str, top: Markup, sections: Sequence[Section]) -> str:
    """A page of a title, its head and its sections."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return str(fill("page.html", {"name": name, "style": Markup(style), "hero": top, "sections": sections}))


def versions_fact(versions: Mapping[str, str]) -> list[tuple[str, str]]:
    """What was installed, as one fact; none where nothing is known."""
    known = [f"{name} {version}" for name, version in versions.items() if version != "not installed"]
    return [("versions", f"{', '.join(known)}; answers that were kept may be older")] if known else []
