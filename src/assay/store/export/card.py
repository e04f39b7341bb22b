"""The card of an exported data set: a README.md that says what it is, what made it, and how to open it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from assay.core.provenance import Used
from assay.core.sample import Image, Sample

NO_PROOF = "Nothing was trained and measured on these samples, so whether they help is not known."
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Hugging Face's categories, by the number that a data set stays below."""
MOST = "1M<n<10M"
LOADS = {
    "hf": 'load_dataset("PATH", split="train")',
    "imagefolder": 'load_dataset("imagefolder", data_dir="PATH", split="train")',
    "jsonl": 'load_dataset("json", data_files="PATH/data.jsonl", split="train")',
    "alpaca": 'load_dataset("json", data_files="PATH/data.json", split="train")',
    "sharegpt": 'load_dataset("json", data_files="PATH/data.json", split="train")',
    "messages": 'load_dataset("json", data_files="PATH/data.jsonl", split="train")',
    "preference": 'load_dataset("json", data_files="PATH/data.jsonl", split="train")',
}
"""How `datasets` opens each layout."""
FILES = {"hf": "data/train-*", "jsonl": "data.jsonl", "alpaca": "data.json", "sharegpt": "data.json"} | {
    "messages": "data.jsonl",
    "preference": "data.jsonl",
}
"""Where the rows lie; `datasets` finds them by itself in an image folder."""
LINEAGE = {
    "hf": "`parents`, `made_by` and `nth` of each row say where it came from, and `id` is what `assay why` takes.",
    "jsonl": "`parents`, `made_by` and `nth` of each row say where it came from, and `id` is what `assay why` takes.",
    "imagefolder": "The column `id` of metadata.csv is what `assay why` takes; it says where each image came from.",
}
NO_LINEAGE = "This layout has no place for where a row came from; `assay export --to jsonl` keeps that."
IN_ROWS = (
    "The column `provenance` of each row says where it came from, as JSON: what made it, its models with their "
    "licences, prompt and seed, the way back to what was collected, what scored it, recipe, version and date. `id` is "
    "what `assay why RUN ID` takes."
)
IN_SIDECAR = (
    "`provenance.jsonl` says of each row, in their order, where it came from; `assay why RUN ID` says it in words."
)
IN_PICTURES = (
    "Every PNG file carries it too: as an XMP packet with IPTC's digital source type, and as text (`image.text` in "
    "Pillow); `assay why FILE.png` reads it. Digests of images are those of the files without it. It is not signed: "
    "who changes a file can change what it says of itself."
)


@dataclass(frozen=True)
class Card:
    """What is said of a data set beside what its samples say themselves."""

    name: str = "samples"
    question: str = ""
    makers: tuple[tuple[str, str], ...] = ()
    """(what it did, reference of a model or name of a component)."""
    models: tuple[Used, ...] = ()
    """That made the samples or scored them; `part` says which."""
    data: tuple[tuple[str, str], ...] = ()
    """(what the samples began with, its licence)."""
    requested: int | None = None
    """None where it is not known how many were asked for; then there is no funnel."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By rule."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    proof: str = ""
    """What the proof said, in a sentence; empty where there is none."""
    version: str = ""
    """Of assay."""
    recipe: str = ""
    """The YAML, whole."""
    license: str = "unknown"
    told: bool = False
    """Whether the rows say where they came from."""
    languages: tuple[str, ...] = ()
    """Codes such as "en"; those in the field `language` of the samples where none are given."""


def card_text(card: Card, samples: Sequence[Sample], layout: str) -> str:
    """The README.md of `samples` in a layout.

    Source: Hugging Face, "Dataset Cards" (metadata, size categories, `configs` that name the data files).
    """
    head = yaml.safe_dump(_front(card, samples, layout), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{head}---",
        f"# {_line(card.name)}",
        f"{len(samples):,} samples, written by assay{f' {card.version}' if card.version else ''}. {_share(samples)}",
        _line(card.question),
        _section("How to open it", f"```python\nfrom datasets import load_dataset\n\ndata = {LOADS[layout]}\n```"),
        _section("What made it", _table(("What", "By"), card.makers)) if card.makers else "",
        _section("Models and data", _licences(card)) if card.models or card.data else "",
        _section("What was kept", _funnel(card, len(samples))) if card.requested is not None else "",
        _section("Did it help?", _line(card.proof) or NO_PROOF),
        _section("Where a row came from", _came(card, samples, layout)),
        _section("The recipe", _fenced(card.recipe)) if card.recipe else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(card: Card, samples: Sequence[Sample], layout: str) -> dict[str, Any]:
    front: dict[str, Any] = {"pretty_name": " ".join(card.name.split()), "license": " ".join(card.license.split())}
    if languages := list(card.languages) or _languages(samples):
        front["language"] = languages
    front["tags"] = [*(["synthetic"] if any(one.synthetic for one in samples) else []), "assay"]
    front["size_categories"] = [next((name for below, name in SIZES if len(samples) < below), MOST)]
    if layout in FILES:
        files = [{"split": "train", "path": FILES[layout]}]
        front["configs"] = [{"config_name": "default", "data_files": files}]
    return front


def _languages(samples: Sequence[Sample]) -> list[str]:
    said = {value for one in samples if isinstance(value := one.fields.get("language"), str)}
    return sorted(code for code in said if re.fullmatch(r"[a-z]{2,3}", code))


def _came(card: Card, samples: Sequence[Sample], layout: str) -> str:
    if not card.told:
        return LINEAGE.get(layout, NO_LINEAGE)
    if layout not in LINEAGE:
        return IN_SIDECAR
    images = any(isinstance(value, Image) for one in samples for value in one.fields.values())
    return f"{IN_ROWS} {IN_PICTURES}" if images else IN_ROWS


def share_said(synthetic: int, rows: int, what: str) -> str:
    """How much of some rows is synthetic, in a sentence."""
    share = f" ({100 * synthetic / rows:.3g} %)" if rows else ""
    others = "; the others were collected, and who wrote them is not known to assay" if synthetic < rows else ""
    return f"{synthetic:,} of {rows:,} {what} are synthetic{share}{others}."


def _share(samples: Sequence[Sample]) -> str:
    return share_said(sum(one.synthetic for one in samples), len(samples), "rows")


def _licences(card: Card) -> str:
    rows = [(one.part, one.model, one.licence) for one in card.models]
    rows += [("what it began with", name, licence) for name, licence in card.data]
    said = "Licences are those that the models' and data's own cards state; where there is none, it is \"unknown\"."
    return f"{said}\n\n{_table(('For', 'Model or data', 'Licence'), rows)}"


def _funnel(card: Card, kept: int) -> str:
    assert card.requested is not None
    dropped, failed = sum(card.dropped.values()), sum(card.failed.values())
    rows = [
        ("requested", f"{card.requested:,}"),
        *((f"dropped: {rule}", f"{n:,}") for rule, n in card.dropped.items()),
        *((f"failed: {reason}", f"{n:,}") for reason, n in card.failed.items()),
        ("**kept**", f"**{kept:,}**"),
    ]
    total = f"{card.requested:,} requested = {kept:,} kept + {dropped:,} dropped + {failed:,} failed."
    table = _table(("What became of them", "Samples"), rows)
    return f"{total} A sample counts for the first rule that dropped it.\n\n{table}"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines])


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    """Text that somebody else wrote, as one line that is no HTML."""
    return " ".join(text.split()).replace("<", "&lt;")


def _fenced(text: str) -> str:
    """In a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text.strip()}\n{fence}"
