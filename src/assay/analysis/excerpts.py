"""Excerpts of samples and answers: truncation, highlighting, and conversation turns."""

from __future__ import annotations

from markupsafe import Markup, escape

from assay.core.completions import Message
from assay.core.errors import FieldError
from assay.core.sample import Sample
from assay.text.instructions.dialogues import history_messages, transcript
from assay.text.prompting.methods import Prompt

LONGEST = 6000
"""Maximum number of characters of a text."""


def cut(text: str, longest: int = LONGEST) -> str:
    """Truncate a text and state how many characters follow."""
    return text if len(text) <= longest else f"{text[:longest]} … ({len(text) - longest:,} more characters)"


def conversation_before(sample: Sample) -> str:
    """Return the conversation before a task as a transcript; the raw field if it cannot be parsed."""
    try:
        return transcript(history_messages(sample))
    except FieldError:
        return str(sample.fields.get("history", "")).strip()


def marked(text: str, start: int, end: int) -> Markup:
    """Highlight the characters from `start` to `end`."""
    if end > LONGEST or start >= end:
        return escape(cut(text))
    return escape(text[:start]) + Markup("<mark>{}</mark>").format(text[start:end]) + escape(cut(text[end:]))


def turns(prompt: Prompt) -> tuple[tuple[str, str], ...]:
    """Return (role, text) of each turn of a prompt; a plain text has an empty role."""
    if isinstance(prompt, str):
        return (("", cut(prompt)),)
    return tuple((turn.role, cut(turn.text)) for turn in prompt if isinstance(turn, Message))
