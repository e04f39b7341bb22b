"""Prompts that a source gives, for generators that plan their seeds from one: of texts, and without a lab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.text.instructions.dialogues import said_before, transcript

ASKED = ("history", "instruction", "input")
"""The fields that make a prompt, as far as a sample has them."""
CONTEXT = "context"
"""The field that rankers are given beside those of the prompt: what was said before, and the input."""


class _Closed:
    """Models and images of a lab that has none."""

    def __init__(self, owner: str, source: str) -> None:
        self._why = f"{owner} takes a source of texts that needs no model; {source} is none."

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RecipeError(self._why)


def read_texts(owner: str, source: Source) -> list[Sample]:
    """The samples of a source of texts.

    Raises:
        RecipeError: It gives images, or asks a model; `owner` is who wants it.
        UserError: As the source.
    """
    closed = _Closed(owner, type(source).__name__)
    return list(source.read(Lab(0, closed, closed)))


def asked_of(sample: Sample, nth: int) -> Sample:
    """What the randomness of answers to a prompt depends on: what is asked, and how often it was asked before."""
    return Sample({name: sample.text(name) for name in ASKED if name in sample.fields}, made_by="prompt", nth=nth)


def in_context(sample: Sample, fields: Sequence[str]) -> dict[str, str]:
    """Some fields of a prompt and `CONTEXT`, for rankers that look at one text and at nothing else."""
    given = sample.text("input") if "input" in sample.fields else ""
    return {**{name: sample.text(name) for name in fields}, CONTEXT: transcript(said_before(sample), given)}
