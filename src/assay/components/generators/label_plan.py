"""Labels, templates and words to prompts: the plan of what has a label before it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from assay.core.errors import did_you_mean
from assay.core.sample import Sample
from assay.text.prompting.templates import fill, slots_of


@dataclass(frozen=True)
class LabelPlan:
    """`per_label` prompts of each label.

    Template and words of the nth prompt of a label depend on the label and on n alone: more prompts of each label, or
    more labels, never change those there were.
    """

    labels: tuple[str, ...]
    per_label: int
    templates: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    """What a label may be called in a prompt; its own name where it is not here. Twice in means twice as often."""
    slots: Mapping[str, tuple[str, ...]]
    """Words for further slots of the templates; "" says nothing."""

    def check(self, owner: str) -> None:
        """Refuses what cannot be planned, in the name of the component that planned it.

        Raises:
            ValueError: A label, template, word or number is missing or wrong.
        """
        self._check_labels(owner)
        self._check_templates(owner)
        if self.per_label < 1:
            raise ValueError(f"{owner}.per_label must be at least 1, was {self.per_label}.")

    def seeds(self, owner: str) -> list[Sample]:
        """A label and a prompt each; labels take turns, so a longer plan starts like this one."""
        return [
            Sample({"label": label, "prompt": self.prompt(label, nth)}, made_by=owner, nth=nth)
            for nth, label in product(range(self.per_label), self.labels)
        ]

    def prompt(self, label: str, nth: int) -> str:
        """The nth prompt of `label`."""
        template = _pick(self.templates, f"template/{label}/{nth}")
        chosen = {name: _pick(words, f"{name}/{label}/{nth}") for name, words in self.slots.items()}
        return fill(template, {**chosen, "label": _pick(self.words.get(label, (label,)), f"word/{label}/{nth}")})

    def _check_labels(self, owner: str) -> None:
        if not self.labels:
            raise ValueError(f"{owner}.labels must name at least one label, was empty.")
        if twice := sorted({label for label in self.labels if self.labels.count(label) > 1}):
            raise ValueError(f"{owner}.labels must all differ, was twice: {', '.join(twice)}.")
        for name, options in [*self.words.items(), *self.slots.items()]:
            if not options:
                raise ValueError(f"{owner}: {name!r} must have at least one word, was empty.")
        for label in self.words:
            if label not in self.labels:
                raise ValueError(
                    f"{owner}.words must be of labels, was of {label!r}. {did_you_mean(label, self.labels)}"
                )

    def _check_templates(self, owner: str) -> None:
        if not self.templates:
            raise ValueError(f"{owner}.templates must hold at least one template, was empty.")
        if "label" in self.slots:
            raise ValueError(f"{owner}.slots must not hold 'label': that slot is filled with the label.")
        for template in self.templates:
            try:
                used = slots_of(template)
            except ValueError as problem:
                raise ValueError(
                    f"{owner}.templates must be text with {{slots}}, was {template!r}: {problem}."
                ) from None
            if "label" not in used:
                raise ValueError(f"{owner}.templates must each hold {{label}}, was {template!r}.")
            for name in used:
                if name not in (known := {"label", *self.slots}):
                    hint = did_you_mean(name, known)
                    raise ValueError(f"{owner}.templates must use known slots, was {{{name}}} in {template!r}. {hint}")


def _pick(options: Sequence[str], key: str) -> str:
    return options[int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % len(options)]
