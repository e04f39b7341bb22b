"""What the cards of models and data sets say of themselves: the front matter of a README.md, in Hugging Face's form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from assay.core.provenance import UNKNOWN
from assay.models.embedded.packaged import PACKAGED
from assay.models.references import EMBEDDED, GGUF

CARD = "README.md"
_LONGEST = 2**20
"""Bytes of a card that are looked at; the front matter comes first."""
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_ENGINES = ("vllm:",)
"""Before a reference, who is to run the model."""


def front_matter(card: Path) -> Mapping[str, Any]:
    """The YAML between the first two lines of `---`; nothing where there is no such card, or it is no mapping."""
    try:
        with card.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(_LONGEST)
        found = re.match(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", text, re.DOTALL)
        said = yaml.safe_load(found[1]) if found else None
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return said if isinstance(said, Mapping) else {}


def stated_license(card: Path) -> str:
    """What a card says under `license`, several joined by commas; "unknown" where it says nothing.

    Source: Hugging Face, "Model Cards" and "Dataset Cards": `license`, an identifier or a list of them; where it is
    "other", `license_name` has the name.
    """
    said = front_matter(card)
    value = said.get("license")
    if value == "other" and isinstance(said.get("license_name"), str):
        value = said["license_name"]
    names = value if isinstance(value, list) else [value]
    return ", ".join(" ".join(name.split()) for name in names if isinstance(name, str) and name.strip()) or UNKNOWN


def license_of(reference: str) -> str:
    """The license that a model's own card states; "unknown" where there is no card, as of services. Asks no network."""
    for engine in _ENGINES:
        reference = reference.removeprefix(engine)
    if reference.startswith(EMBEDDED):
        return _of_embedded(reference.removeprefix(EMBEDDED))
    try:
        folder = Path(reference).expanduser()
        if folder.is_dir() or folder.suffix == GGUF:
            return stated_license((folder if folder.is_dir() else folder.parent) / CARD)
    except (OSError, RuntimeError, ValueError):  # no path of this system: a name too long, a home that is not there
        return UNKNOWN
    return _of_hub(reference) if _HUB.fullmatch(reference) else UNKNOWN


def hub_name(reference: str) -> str:
    """What a model is called on the hub; "" where it is none of there, such as a folder."""
    for engine in _ENGINES:
        reference = reference.removeprefix(engine)
    if reference.startswith(EMBEDDED):
        one = PACKAGED.get(reference.removeprefix(EMBEDDED))
        return "" if one is None else one.hub
    return reference if _HUB.fullmatch(reference) and reference[0] != "." and not Path(reference).is_dir() else ""


def _of_embedded(name: str) -> str:
    if (one := PACKAGED.get(name)) is None:
        return stated_license(Path(str(resources.files("assay.models.embedded"))) / name / CARD)
    said = stated_license(one.path / CARD) if one.path is not None and one.path.is_dir() else UNKNOWN
    return one.license if said == UNKNOWN else said


def _of_hub(reference: str) -> str:
    """By the card in the cache of this machine, where the checkpoint was loaded with it."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(reference, CARD)
    except HFValidationError:  # a folder that is gone, such as ./model
        return UNKNOWN
    return stated_license(Path(found)) if isinstance(found, str) else UNKNOWN
