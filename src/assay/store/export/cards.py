"""README cards of exported data sets and trained models (Hugging Face)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from assay.core.provenance import UNKNOWN, Used
from assay.core.sample import Image, Sample

NO_PROOF = "No model was trained on these samples and evaluated, so their effect is unknown."
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Hugging Face's size categories with their upper bounds."""
LARGEST_SIZE = "1M<n<10M"
LOAD_CALLS = {
    "hf": 'load_dataset("PATH", split="train")',
    "imagefolder": 'load_dataset("imagefolder", data_dir="PATH", split="train")',
    "jsonl": 'load_dataset("json", data_files="PATH/data.jsonl", split="train")',
    "alpaca": 'load_dataset("json", data_files="PATH/data.json", split="train")',
    "sharegpt": 'load_dataset("json", data_files="PATH/data.json", split="train")',
    "messages": 'load_dataset("json", data_files="PATH/data.jsonl", split="train")',
    "preference": 'load_dataset("json", data_files="PATH/data.jsonl", split="train")',
}
"""`datasets` calls that open each layout."""
FILES = {"hf": "data/train-*", "jsonl": "data.jsonl", "alpaca": "data.json", "sharegpt": "data.json"} | {
    "messages": "data.jsonl",
    "preference": "data.jsonl",
}
"""Data files by layout; `datasets` finds those of an image folder itself."""
ROW_LINEAGE = (
    "`parents`, `made_by` and `nth` are the provenance of a row; `assay why RUN ID` explains the sample of an `id`."
)
LINEAGE_NOTES = {
    "hf": ROW_LINEAGE,
    "jsonl": ROW_LINEAGE,
    "imagefolder": "`assay why RUN ID` explains the image with that `id` in metadata.csv.",
}
NO_LINEAGE_NOTE = "This layout holds no provenance; `assay export --to jsonl` does."
PROVENANCE_IN_ROWS = (
    "The column `provenance` holds the provenance of each row as JSON: the generator, its models with their licenses, "
    "prompt and seed, the ancestors back to the collected data, the scorers, recipe, version and date. "
    "`assay why RUN ID` explains the sample with that `id`."
)
PROVENANCE_IN_SIDECAR = (
    "`provenance.jsonl` holds the provenance of each row, in the order of the rows; "
    "`assay why RUN ID` prints it as text."
)
PROVENANCE_IN_IMAGES = (
    "Every PNG file holds it too: as an XMP packet with IPTC's digital source type, and as text (`image.text` in "
    "Pillow); `assay why FILE.png` reads it. Image digests are of the files without it. It is not signed: anyone who "
    "edits a file can edit its metadata."
)


@dataclass(frozen=True)
class DatasetCard:
    """Metadata of an exported data set."""

    name: str = "samples"
    question: str = ""
    makers: tuple[tuple[str, str], ...] = ()
    """(role, model reference or component name)."""
    models: tuple[Used, ...] = ()
    """Models that generated or scored the samples, by `part`."""
    data: tuple[tuple[str, str], ...] = ()
    """(source data, license)."""
    requested: int | None = None
    """None if unknown; then the card has no funnel."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Counts by rule."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Counts by reason."""
    proof: str = ""
    """Verdict of the proof as a sentence; empty without a proof."""
    version: str = ""
    """assay version."""
    recipe: str = ""
    """YAML."""
    license: str = "unknown"
    has_provenance: bool = False
    """Whether the rows have provenance."""
    languages: tuple[str, ...] = ()
    """Codes such as "en"; if empty, those in the field `language` of the samples."""


def dataset_card_text(card: DatasetCard, samples: Sequence[Sample], layout: str) -> str:
    """README.md of exported samples.

    Source: Hugging Face, "Dataset Cards" (metadata, size categories, `configs` that name the data files).
    """
    head = yaml.safe_dump(_dataset_metadata(card, samples, layout), sort_keys=False, allow_unicode=True)
    version = f" {card.version}" if card.version else ""
    parts = [
        f"---\n{head}---",
        f"# {_line(card.name)}",
        f"{len(samples):,} samples, written by assay{version}. {_synthetic_share(samples)}",
        _line(card.question),
        _section("Usage", f"```python\nfrom datasets import load_dataset\n\ndata = {LOAD_CALLS[layout]}\n```"),
        _section("Generator and scorers", _table(("Role", "Component"), card.makers)) if card.makers else "",
        _section("Models and data", _licenses(card)) if card.models or card.data else "",
        _section("Filtering", _funnel(card, len(samples))) if card.requested is not None else "",
        _section("Effect on real held-out data", _line(card.proof) or NO_PROOF),
        _section("Provenance", _provenance_note(card, samples, layout)),
        _section("Recipe", _code_block(card.recipe)) if card.recipe else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _dataset_metadata(card: DatasetCard, samples: Sequence[Sample], layout: str) -> dict[str, Any]:
    front: dict[str, Any] = {"pretty_name": " ".join(card.name.split()), "license": " ".join(card.license.split())}
    if languages := list(card.languages) or _languages(samples):
        front["language"] = languages
    front["tags"] = [*(["synthetic"] if any(sample.synthetic for sample in samples) else []), "assay"]
    front["size_categories"] = [next((name for below, name in SIZES if len(samples) < below), LARGEST_SIZE)]
    if layout in FILES:
        files = [{"split": "train", "path": FILES[layout]}]
        front["configs"] = [{"config_name": "default", "data_files": files}]
    return front


def _languages(samples: Sequence[Sample]) -> list[str]:
    values = {value for sample in samples if isinstance(value := sample.fields.get("language"), str)}
    return sorted(code for code in values if re.fullmatch(r"[a-z]{2,3}", code))


def _provenance_note(card: DatasetCard, samples: Sequence[Sample], layout: str) -> str:
    if not card.has_provenance:
        return LINEAGE_NOTES.get(layout, NO_LINEAGE_NOTE)
    if layout not in LINEAGE_NOTES:
        return PROVENANCE_IN_SIDECAR
    images = any(isinstance(value, Image) for sample in samples for value in sample.fields.values())
    return f"{PROVENANCE_IN_ROWS} {PROVENANCE_IN_IMAGES}" if images else PROVENANCE_IN_ROWS


def synthetic_share_sentence(synthetic: int, rows: int, what: str) -> str:
    """Sentence with the number and percentage of synthetic rows."""
    share = f" ({100 * synthetic / rows:.3g}%)" if rows else ""
    others = "; the others were collected, and their authors are unknown to assay" if synthetic < rows else ""
    return f"{synthetic:,} of {rows:,} {what} are synthetic{share}{others}."


def _synthetic_share(samples: Sequence[Sample]) -> str:
    return synthetic_share_sentence(sum(sample.synthetic for sample in samples), len(samples), "rows")


def _licenses(card: DatasetCard) -> str:
    rows = [(model.part, model.model, model.license) for model in card.models]
    rows += [("source data", name, license) for name, license in card.data]
    note = 'Licenses are those stated by the cards of the models and data; "unknown" if there is none.'
    return f"{note}\n\n{_table(('Role', 'Model or data', 'License'), rows)}"


def _funnel(card: DatasetCard, kept: int) -> str:
    assert card.requested is not None
    dropped, failed = sum(card.dropped.values()), sum(card.failed.values())
    rows = [
        ("requested", f"{card.requested:,}"),
        *((f"dropped: {rule}", f"{n:,}") for rule, n in card.dropped.items()),
        *((f"failed: {reason}", f"{n:,}") for reason, n in card.failed.items()),
        ("**kept**", f"**{kept:,}**"),
    ]
    total = f"{card.requested:,} requested = {kept:,} kept + {dropped:,} dropped + {failed:,} failed."
    table = _table(("Outcome", "Samples"), rows)
    return f"{total} A sample is counted for the first rule that dropped it.\n\n{table}"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines])


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    """Escape untrusted text as one line without HTML."""
    return " ".join(text.split()).replace("<", "&lt;")


def _code_block(text: str) -> str:
    """Code block with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text.strip()}\n{fence}"


HUB_TASKS = {
    "image-classifier": "image-classification",
    "text-classifier": "text-classification",
    "reward-model": "text-classification",
    "text-model": "text-generation",
}
"""Hub task by model kind."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Metadata of a trained model; deterministic for a run."""

    name: str
    kind: str
    role: str
    """Role of the model in its recipe, as a sentence."""
    start: Used | None
    """Base model; None for random weights."""
    hub: str = ""
    """Name of the base model on the hub."""
    samples: int
    synthetic: int | None
    """Synthetic samples; None if an older version did not count them."""
    made_with: tuple[Used, ...] = ()
    """Models that generated the synthetic samples."""
    made_by: str = ""
    """Generator."""
    data: tuple[tuple[str, str], ...] = ()
    """(name, license) of the collected training data."""
    training: tuple[tuple[str, str], ...] = ()
    """Further (name, value) rows."""
    recipe: str = ""
    version: str = ""
    """assay version."""


def model_card_text(card: ModelCard) -> str:
    """README.md of a trained model.

    The license in the metadata is that of the base model, as in cards written by transformers.

    Source: Hugging Face, "Model Cards" (`license`, `base_model`, `datasets`, `pipeline_tag`, `tags`). `base_model` and
    `datasets` are omitted without a valid hub name.
    """
    head = yaml.safe_dump(_model_metadata(card), sort_keys=False, allow_unicode=True)
    version = f" {_escape_line(card.version)}" if card.version else ""
    parts = [
        f"---\n{head}---",
        f"# {_escape_line(card.name)}",
        f"Trained by assay{version} in a run of the recipe `{_escape_line(card.recipe)}`. {_escape_line(card.role)}",
        f"## Base model\n\n{_start(card)}",
        f"## Training data\n\n{_training_data(card)}",
        "## Training\n\n"
        + "\n".join(f"- **{_escape_line(name)}:** {_escape_line(value)}" for name, value in card.training),
    ]
    return "\n\n".join(parts) + "\n"


def _model_metadata(card: ModelCard) -> dict[str, Any]:
    front: dict[str, Any] = {"license": " ".join(card.start.license.split()) if card.start is not None else UNKNOWN}
    if card.hub:
        front["base_model"] = " ".join(card.hub.split())
    if names := [name for name, _ in card.data if name.isidentifier()]:
        front["datasets"] = names
    if card.kind in HUB_TASKS:
        front["pipeline_tag"] = HUB_TASKS[card.kind]
    return front | {"tags": [*(["synthetic"] if card.synthetic else []), "assay"]}


def _start(card: ModelCard) -> str:
    if card.start is None:
        return "Random weights."
    terms = "Training data under other terms may add conditions."
    note = f"The license above is that of the base model. {terms}" if card.start.license != UNKNOWN else ""
    return f"`{_escape_line(card.start.model)}`, {_license_text(card.start.license)}. {note}".strip()


def _training_data(card: ModelCard) -> str:
    if card.synthetic is None:
        return f"{card.samples:,} samples; the number of synthetic ones was not counted."
    lines = [synthetic_share_sentence(card.synthetic, card.samples, "samples")]
    if card.synthetic:
        models = ", ".join(
            f"`{_escape_line(model.model)}` ({_license_text(model.license)})" for model in card.made_with
        )
        lines.append(f"- **Synthetic:** made by {_escape_line(card.made_by)}{f' with {models}' if models else ''}.")
    if card.synthetic < card.samples:
        names = [f"{_escape_line(name)} ({_license_text(license)})" for name, license in card.data]
        lines.append(f"- **Collected:** {', '.join(names) or UNKNOWN}.")
    return "\n".join([lines[0], "", *lines[1:]]).strip()


def _license_text(name: str) -> str:
    return "license unknown" if name == UNKNOWN else f"license {_escape_line(name)}"


def _escape_line(text: str) -> str:
    """Escape untrusted text as one line without HTML or code."""
    return " ".join(text.split()).replace("<", "&lt;").replace("`", "'")
