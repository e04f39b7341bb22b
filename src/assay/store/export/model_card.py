"""The card of a model that a run trained: a README.md in Hugging Face's form that says what it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from assay.core.provenance import UNKNOWN, Used
from assay.store.export.card import share_said

TASKS = {
    "image-classifier": "image-classification",
    "text-classifier": "text-classification",
    "reward-model": "text-classification",
    "text-model": "text-generation",
}
"""Kind of a model to what the hub calls its task."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a training, and depends on the run alone: the same after a kill, and when it is done again."""

    name: str
    kind: str
    role: str
    """What it is for in its recipe, in a sentence."""
    start: Used | None
    """None where it began with random weights."""
    hub: str = ""
    """What the start is called on the hub."""
    samples: int
    synthetic: int | None
    """Samples that a run made; None where an older assay did not count them."""
    made_with: tuple[Used, ...] = ()
    """Models that made the synthetic ones."""
    made_by: str = ""
    """The generator."""
    data: tuple[tuple[str, str], ...] = ()
    """(name, licence) of the collected data it may have learned from."""
    training: tuple[tuple[str, str], ...] = ()
    """What else is known, a row each."""
    recipe: str = ""
    version: str = ""
    """Of assay."""


def model_card_text(card: ModelCard) -> str:
    """The README.md of a trained model.

    The licence in the front matter is that of the model it was made from, as for cards that transformers writes.

    Source: Hugging Face, "Model Cards" (`license`, `base_model`, `datasets`, `pipeline_tag`, `tags`). Where we differ:
    `base_model` and `datasets` are left out where there is no name that the hub takes.
    """
    head = yaml.safe_dump(_front(card), sort_keys=False, allow_unicode=True)
    version = f" {_line(card.version)}" if card.version else ""
    parts = [
        f"---\n{head}---",
        f"# {_line(card.name)}",
        f"Trained by assay{version} in a run of the recipe `{_line(card.recipe)}`. {_line(card.role)}",
        f"## What it began with\n\n{_start(card)}",
        f"## What it learned from\n\n{_learnt(card)}",
        "## How\n\n" + "\n".join(f"- **{_line(name)}:** {_line(value)}" for name, value in card.training),
    ]
    return "\n\n".join(parts) + "\n"


def _front(card: ModelCard) -> dict[str, Any]:
    front: dict[str, Any] = {"license": " ".join(card.start.licence.split()) if card.start is not None else UNKNOWN}
    if card.hub:
        front["base_model"] = " ".join(card.hub.split())
    if names := [name for name, _ in card.data if name.isidentifier()]:
        front["datasets"] = names
    if card.kind in TASKS:
        front["pipeline_tag"] = TASKS[card.kind]
    return front | {"tags": [*(["synthetic"] if card.synthetic else []), "assay"]}


def _start(card: ModelCard) -> str:
    if card.start is None:
        return "Random weights."
    terms = "Data under other terms may add to it."
    said = f"The licence above is its. {terms}" if card.start.licence != UNKNOWN else ""
    return f"`{_line(card.start.model)}`, {_licence(card.start.licence)}. {said}".strip()


def _learnt(card: ModelCard) -> str:
    if card.synthetic is None:
        return f"{card.samples:,} samples; how many of them are synthetic was not counted."
    lines = [share_said(card.synthetic, card.samples, "samples")]
    if card.synthetic:
        models = ", ".join(f"`{_line(one.model)}` ({_licence(one.licence)})" for one in card.made_with)
        lines.append(f"- **Synthetic:** made by {_line(card.made_by)}{f' with {models}' if models else ''}.")
    if card.synthetic < card.samples:
        names = [f"{_line(name)} ({_licence(licence)})" for name, licence in card.data]
        lines.append(f"- **Collected:** {', '.join(names) or UNKNOWN}.")
    return "\n".join([lines[0], "", *lines[1:]]).strip()


def _licence(said: str) -> str:
    return "licence unknown" if said == UNKNOWN else f"licence {_line(said)}"


def _line(text: str) -> str:
    """Text that somebody else wrote, as one line that is no HTML and no code."""
    return " ".join(text.split()).replace("<", "&lt;").replace("`", "'")
