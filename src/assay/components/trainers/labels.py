"""What trainers share: samples at all, numbers for labels, and the digest of what was trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from assay.core.errors import FieldError, RecipeError, did_you_mean
from assay.core.sample import Sample


def check_given(owner: str, samples: Sequence[Sample], things: str = "samples") -> None:
    """Refuses to train `owner` on nothing.

    Raises:
        RecipeError: There are no samples.
    """
    if not samples:
        raise RecipeError(f"{owner} was given no {things}.", hint="Did a filter drop them all?")


def targets_of(owner: str, labels: Sequence[str], field: str, samples: Sequence[Sample]) -> list[int]:
    """The number of each sample's label among `labels`.

    Raises:
        RecipeError: There are no samples.
        FieldError: A label is not among them.
    """
    check_given(owner, samples)
    number = {label: nth for nth, label in enumerate(labels)}
    for sample in samples:
        if (name := sample.text(field)) not in number:
            raise FieldError(
                f"Sample {sample.id} has the label {name!r}, which {owner}.labels lacks.",
                hint=did_you_mean(name, labels),
            )
    return [number[sample.text(field)] for sample in samples]


def digest_of(folder: Path) -> str:
    """SHA-256 of the weights, in hexadecimal."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
