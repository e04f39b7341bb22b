"""Texts of somebody else's on a page: cut where they are long, with what was read in them marked."""

from __future__ import annotations

from markupsafe import Markup, escape

from assay.core.completions import Message
from assay.core.errors import FieldError
from assay.core.sample import Sample
from assay.text.instructions.dialogues import said_before, transcript
from assay.text.prompting.methods import Prompt

LONGEST = 6000
"""Characters of a text that are shown; the rest is counted."""


def cut(text: str, longest: int = LONGEST) -> str:
    """`text`, or its beginning and how much follows."""
    return text if len(text) <= longest else f"{text[:longest]} … ({len(text) - longest:,} more characters)"


def conversation_before(sample: Sample) -> str:
    """What was said before a task, for a reader; as it stands where it cannot be read, "" where there is nothing."""
    try:
        return transcript(said_before(sample))
    except FieldError:
        return str(sample.fields.get("history", "")).strip()


def marked(text: str, start: int, end: int) -> Markup:
    """`text` with the characters from `start` to `end` marked."""
    if end > LONGEST or start >= end:
        return escape(cut(text))
    return escape(text[:start]) + Markup("<mark>{}</mark>").format(text[start:end]) + escape(cut(text[end:]))


def turns(prompt: Prompt) -> tuple[tuple[str, str], ...]:
    """Who says what; plain words are nobody's."""
    if isinstance(prompt, str):
        return (("", cut(prompt)),)
    return tuple((turn.role, cut(turn.text)) for turn in prompt if isinstance(turn, Message))
