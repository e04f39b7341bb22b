"""Labels and templates to pictures, by a text-to-image model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar

from assay.core.errors import did_you_mean
from assay.core.kinds import NotPainted, PaintRequest, Pixels
from assay.core.lab import Lab
from assay.core.sample import Failure, Made, Sample
from assay.text.slots import fill, slots_of


@dataclass(frozen=True)
class Paint:
    """Paints `per_label` pictures of each label, each from its own prompt and its own noise.

    Template, words and noise of the nth picture of a label depend on the label and on n alone: more pictures of each
    label, or more labels, never change those there were.
    """

    model: str
    labels: tuple[str, ...]
    per_label: int
    templates: tuple[str, ...] = ("a photo of a {label}",)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a label may be called in a prompt; its own name where it is not here. Twice in means twice as often."""
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Words for further slots of the templates, such as tone: ("", "light", "dark"); "" says nothing."""
    steps: int = 15
    guidance: float = 2.0
    """At 1 or below there is none. Low values train better classifiers than the usual 7.5 (Fan et al. 2024)."""
    negative_prompt: str = ""
    width: int | None = None
    """Pixels; the model's own size where None."""
    height: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_labels()
        self._check_templates()
        for name, least in (("per_label", 1), ("steps", 1), ("guidance", 0.0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"Paint.{name} must be at least {least}, was {getattr(self, name)}.")

    def seeds(self) -> Sequence[Sample]:
        """The plan: a label and a prompt for each picture; labels take turns, so a longer plan starts like this one."""
        return [
            Sample({"label": label, "prompt": self.prompt(label, nth)}, made_by="Paint", nth=nth)
            for nth, label in product(range(self.per_label), self.labels)
        ]

    def prompt(self, label: str, nth: int) -> str:
        """The prompt of the nth picture of `label`."""
        template = _pick(self.templates, f"template/{label}/{nth}")
        chosen = {name: _pick(words, f"{name}/{label}/{nth}") for name, words in self.slots.items()}
        return fill(template, {**chosen, "label": _pick(self.words.get(label, (label,)), f"word/{label}/{nth}")})

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        requests = [self._request(seed, lab) for seed in seeds]
        painted = lab.models.image_model(self.model).paint(requests)
        return [self._made(seed, picture, lab) for seed, picture in zip(seeds, painted, strict=True)]

    def _request(self, seed: Sample, lab: Lab) -> PaintRequest:
        return PaintRequest(
            prompt=seed.text("prompt"),
            seed=lab.seed_of(seed, "paint"),
            steps=self.steps,
            guidance=self.guidance,
            negative_prompt=self.negative_prompt,
            width=self.width,
            height=self.height,
        )

    def _made(self, seed: Sample, picture: Pixels | NotPainted, lab: Lab) -> Made:
        if isinstance(picture, NotPainted):
            return Failure(seed.id, picture.reason)
        if picture.min() == picture.max():  # what a broken decoder or a safety checker leaves
            return Failure(seed.id, f"every pixel is {picture.min()}")
        return Sample({**seed.fields, "image": lab.images.put(picture)}, parents=(seed.id,), made_by="Paint")

    def _check_labels(self) -> None:
        if not self.labels:
            raise ValueError("Paint.labels must name at least one label, was empty.")
        if twice := sorted({label for label in self.labels if self.labels.count(label) > 1}):
            raise ValueError(f"Paint.labels must all differ, was twice: {', '.join(twice)}.")
        for name, options in [*self.words.items(), *self.slots.items()]:
            if not options:
                raise ValueError(f"Paint: {name!r} must have at least one word, was empty.")
        for label in self.words:
            if label not in self.labels:
                raise ValueError(f"Paint.words must be of labels, was of {label!r}. {did_you_mean(label, self.labels)}")

    def _check_templates(self) -> None:
        if not self.templates:
            raise ValueError("Paint.templates must hold at least one template, was empty.")
        if "label" in self.slots:
            raise ValueError("Paint.slots must not hold 'label': that slot is filled with the label.")
        for template in self.templates:
            try:
                used = slots_of(template)
            except ValueError as problem:
                raise ValueError(f"Paint.templates must be text with {{slots}}, was {template!r}: {problem}.") from None
            if "label" not in used:
                raise ValueError(f"Paint.templates must each hold {{label}}, was {template!r}.")
            for name in used:
                if name not in (known := {"label", *self.slots}):
                    hint = did_you_mean(name, known)
                    raise ValueError(f"Paint.templates must use known slots, was {{{name}}} in {template!r}. {hint}")


def _pick(options: Sequence[str], key: str) -> str:
    return options[int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % len(options)]
