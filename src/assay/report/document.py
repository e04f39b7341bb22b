"""HTML documents: head with the result, sections, style sheet. Shared by the report and the pages of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from markupsafe import Markup

from assay.report.template import TEMPLATES, fill

Tone: TypeAlias = Literal["helped", "hurt", "unclear"]
ICONS: dict[Tone, str] = {"helped": "▲", "hurt": "▼", "unclear": "○"}


@dataclass(frozen=True)
class Section:
    """One part of the page, with its heading."""

    anchor: str
    """HTML id."""
    title: str
    body: Markup


@dataclass(frozen=True)
class Tile:
    """A key number in the head of a page."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """The result of a page."""

    tone: Tone
    headline: str
    """The verdict in a few words."""
    sentences: tuple[str, ...]
    """The result with its numbers."""


@dataclass(frozen=True)
class Head:
    """The head of a page."""

    command: str
    """The command, such as "eval"."""
    question: str
    finding: Finding
    tiles: tuple[Tile, ...]


def with_head(head: Head, sections: Sequence[Section]) -> str:
    """Render a page as HTML without external resources, to be written as UTF-8."""
    values = {"head": head, "icon": ICONS[head.finding.tone]}
    return document(head.question, fill("head.html", values), sections)


def document(name: str, top: Markup, sections: Sequence[Section]) -> str:
    """Render a document from its title, its head and its sections."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return str(fill("page.html", {"name": name, "style": Markup(style), "hero": top, "sections": sections}))


def versions_fact(versions: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the installed versions as a (name, value) pair; empty if none is known."""
    installed = [f"{name} {version}" for name, version in versions.items() if version != "not installed"]
    return [("versions", f"{', '.join(installed)}; cached answers may be from older versions")] if installed else []
