"""Fenced code blocks of Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})[ \t]*(?P<words>[^`\n]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    language: str
    """First word of the info string in lower case; "" if there is none."""
    text: str


def blocks(text: str) -> list[Block]:
    """Fenced code blocks of `text` in order; an unclosed block extends to the end (CommonMark, section 4.5).

    A block is closed by a line with at least as many of the same fence characters and nothing else. Linear time.
    """
    result: list[Block] = []
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence["marks"].startswith(opened["marks"]) and not fence["words"].strip():
            result.append(_block(text, opened, fence.start()))
            opened = None
    if opened is not None:
        result.append(_block(text, opened, len(text)))
    return result


def _block(text: str, opened: re.Match[str], end: int) -> Block:
    words = opened["words"].split()
    return Block(words[0].lower().strip("{}.") if words else "", text[opened.end() + 1 : end])
