"""What a part of the page is."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """One part of the page, with its heading."""

    anchor: str
    """Its id in the page's address."""
    title: str
    body: Markup
