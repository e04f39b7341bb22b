"""Prompts of generators: from labels, templates and word lists, or from a text source."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NoReturn

from assay.core.errors import RecipeError, did_you_mean
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.text.instructions.dialogues import history_messages, transcript
from assay.text.prompting.templates import fill, template_slots


@dataclass(frozen=True)
class LabelPlan:
    """A plan of `per_label` prompts for each label.

    Template and words of a prompt depend only on the label and on the index of the prompt within its label, so more
    prompts or more labels leave the existing ones unchanged.
    """

    labels: tuple[str, ...]
    per_label: int
    templates: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    """Names of a label in prompts; the label itself if it is missing here. A name listed twice is drawn twice as often.
    """
    slots: Mapping[str, tuple[str, ...]]
    """Values of the other slots of the templates; "" leaves the slot empty."""

    def check(self, owner: str) -> None:
        """Validate the plan; messages name the component `owner`.

        Raises:
            ValueError: A label, template, word or number is missing or invalid.
        """
        self._check_labels(owner)
        self._check_templates(owner)
        if self.per_label < 1:
            raise ValueError(f"{owner}.per_label must be at least 1, was {self.per_label}.")

    def seeds(self, owner: str) -> list[Sample]:
        """Return a label and a prompt for each index. Labels alternate, so a longer plan starts with the same seeds."""
        return [
            Sample({"label": label, "prompt": self.prompt(label, nth)}, made_by=owner, nth=nth)
            for nth, label in product(range(self.per_label), self.labels)
        ]

    def prompt(self, label: str, nth: int) -> str:
        """Return prompt `nth` of `label`."""
        template = _pick(self.templates, f"template/{label}/{nth}")
        chosen = {name: _pick(words, f"{name}/{label}/{nth}") for name, words in self.slots.items()}
        return fill(template, {**chosen, "label": _pick(self.words.get(label, (label,)), f"word/{label}/{nth}")})

    def _check_labels(self, owner: str) -> None:
        if not self.labels:
            raise ValueError(f"{owner}.labels must name at least one label, was empty.")
        if twice := sorted({label for label in self.labels if self.labels.count(label) > 1}):
            raise ValueError(f"{owner}.labels must be unique, duplicated: {', '.join(twice)}.")
        for name, options in [*self.words.items(), *self.slots.items()]:
            if not options:
                raise ValueError(f"{owner}: {name!r} must have at least one word, was empty.")
        for label in self.words:
            if label not in self.labels:
                raise ValueError(
                    f"{owner}.words must have labels as keys, had {label!r}. {did_you_mean(label, self.labels)}"
                )

    def _check_templates(self, owner: str) -> None:
        if not self.templates:
            raise ValueError(f"{owner}.templates must have at least one template, was empty.")
        if "label" in self.slots:
            raise ValueError(f"{owner}.slots must not contain 'label', which is filled with the label.")
        for template in self.templates:
            try:
                slots = template_slots(template)
            except ValueError as problem:
                raise ValueError(
                    f"{owner}.templates must be text with {{slots}}, was {template!r}: {problem}."
                ) from None
            if "label" not in slots:
                raise ValueError(f"{owner}.templates must each contain {{label}}, was {template!r}.")
            for name in slots:
                if name not in (allowed := {"label", *self.slots}):
                    hint = did_you_mean(name, allowed)
                    raise ValueError(f"{owner}.templates must use known slots, was {{{name}}} in {template!r}. {hint}")


def _pick(options: Sequence[str], key: str) -> str:
    return options[int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % len(options)]


PROMPT_FIELDS = ("history", "instruction", "input")
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


def prompt_sample(sample: Sample, nth: int) -> Sample:
    """Return a sample that identifies a prompt by its words and by the number of earlier equal prompts.

    The random seeds of its answers depend on it.
    """
    fields = {name: sample.text(name) for name in PROMPT_FIELDS if name in sample.fields}
    return Sample(fields, made_by="prompt", nth=nth)


def with_context(sample: Sample, fields: Sequence[str]) -> dict[str, str]:
    """Return some fields of a prompt and `CONTEXT`, for rankers that look at a single text."""
    input_text = sample.text("input") if "input" in sample.fields else ""
    return {**{name: sample.text(name) for name in fields}, CONTEXT: transcript(history_messages(sample), input_text)}
