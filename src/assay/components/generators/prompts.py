"""Prompts from a text source, for generators that plan their seeds from one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.text.instructions.dialogues import history_messages, transcript

ASKED = ("history", "instruction", "input")
"""Fields that make up a prompt, if a sample has them."""
CONTEXT = "context"
"""Field that rankers get in addition to those of the prompt: the history and the input."""


class _Closed:
    """Models and images of a lab that has none."""

    def __init__(self, owner: str, source: str) -> None:
        self._why = f"{owner} needs a source of texts that uses no model, but {source} gives images or uses one."

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RecipeError(self._why)


def read_texts(owner: str, source: Source) -> list[Sample]:
    """Return the samples of a text source.

    Args:
        owner: The component field that holds the source, for messages.
        source: A source that needs no model and gives no images.

    Raises:
        RecipeError: The source gives images, or needs a model.
        UserError: The source cannot be read.
    """
    closed = _Closed(owner, type(source).__name__)
    return list(source.read(Lab(0, closed, closed)))


def asked_of(sample: Sample, nth: int) -> Sample:
    """Return a sample that identifies a prompt by its words and by the number of earlier equal prompts.

    The random seeds of its answers depend on it.
    """
    return Sample({name: sample.text(name) for name in ASKED if name in sample.fields}, made_by="prompt", nth=nth)


def in_context(sample: Sample, fields: Sequence[str]) -> dict[str, str]:
    """Return some fields of a prompt and `CONTEXT`, for rankers that look at a single text."""
    given = sample.text("input") if "input" in sample.fields else ""
    return {**{name: sample.text(name) for name in fields}, CONTEXT: transcript(history_messages(sample), given)}
