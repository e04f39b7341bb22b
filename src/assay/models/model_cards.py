"""Licenses from model and dataset cards: the front matter of a README.md in the format of Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from assay.core.provenance import UNKNOWN
from assay.models.embedded.catalog import PACKAGED, models_folder
from assay.models.references import EMBEDDED, GGUF

CARD = "README.md"
_MAX_BYTES = 2**20
"""Bytes of a card to read; the front matter comes first."""
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_BACKENDS = ("vllm:",)
"""Backend prefixes of a reference."""


def front_matter(card: Path) -> Mapping[str, Any]:
    """The YAML between the first two lines of `---`; empty if there is no card or it is not a mapping."""
    try:
        with card.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(_MAX_BYTES)
        match = re.match(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", text, re.DOTALL)
        fields = yaml.safe_load(match[1]) if match else None
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return fields if isinstance(fields, Mapping) else {}


def card_license(card: Path) -> str:
    """The license in a card, several joined by commas; "unknown" if there is none.

    Source: Hugging Face, "Model Cards" and "Dataset Cards": `license`, an identifier or a list of them; where it is
    "other", `license_name` has the name.
    """
    fields = front_matter(card)
    value = fields.get("license")
    if value == "other" and isinstance(fields.get("license_name"), str):
        value = fields["license_name"]
    names = value if isinstance(value, list) else [value]
    return ", ".join(" ".join(name.split()) for name in names if isinstance(name, str) and name.strip()) or UNKNOWN


def model_license(reference: str) -> str:
    """The license in a model's card; "unknown" without a card, as for services. Uses no network."""
    for prefix in _BACKENDS:
        reference = reference.removeprefix(prefix)
    if reference.startswith(EMBEDDED):
        return _of_embedded(reference.removeprefix(EMBEDDED))
    try:
        folder = Path(reference).expanduser()
        if folder.is_dir() or folder.suffix == GGUF:
            return card_license((folder if folder.is_dir() else folder.parent) / CARD)
    except (OSError, RuntimeError, ValueError):  # not a valid path: a name too long, an unknown home
        return UNKNOWN
    return _of_hub(reference) if _HUB.fullmatch(reference) else UNKNOWN


def hub_name(reference: str) -> str:
    """Name of a model on the hub; "" if it is not from there, such as a folder."""
    for prefix in _BACKENDS:
        reference = reference.removeprefix(prefix)
    if reference.startswith(EMBEDDED):
        model = PACKAGED.get(reference.removeprefix(EMBEDDED))
        return "" if model is None else model.hub
    return reference if _HUB.fullmatch(reference) and reference[0] != "." and not Path(reference).is_dir() else ""


def _of_embedded(name: str) -> str:
    if (model := PACKAGED.get(name)) is None:
        return card_license(models_folder() / name / CARD)
    license_name = card_license(model.path / CARD) if model.path is not None and model.path.is_dir() else UNKNOWN
    return model.license if license_name == UNKNOWN else license_name


def _of_hub(reference: str) -> str:
    """By the card in the local hub cache, if it was downloaded with the checkpoint."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(reference, CARD)
    except HFValidationError:  # a folder that is gone, such as ./model
        return UNKNOWN
    return card_license(Path(path)) if isinstance(path, str) else UNKNOWN
