"""Pairs of human-written and machine-generated texts on the same subjects, to evaluate detectors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from assay.components.sources.files.records import read_text, shorten
from assay.core.errors import SourceError, did_you_mean

NAMES = ("original", "sampled")


@dataclass(frozen=True)
class AiTexts:
    """Texts in pairs: item n of both is on the same subject."""

    people: tuple[str, ...]
    machine: tuple[str, ...]


def read_ai_texts(file: Path) -> AiTexts:
    """Read the pairs of a .json file {"original": [text, ...], "sampled": [text, ...]}.

    Source: baoguangsheng/fast-detect-gpt, exp_gpt3to4/data/*.raw_data.json; `original` is human-written.

    Raises:
        SourceError: The file has another form, or one side has more texts than the other.
    """
    text = read_text(file, "pairs of texts")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{file} is not JSON: {error}.") from error
    sides = [_side(file, content, name) for name in NAMES]
    if len(sides[0]) != len(sides[1]) or not sides[0]:
        raise SourceError(f"{file} must have pairs, had {len(sides[0])} original and {len(sides[1])} sampled texts.")
    return AiTexts(*sides)


def _side(file: Path, content: object, name: str) -> tuple[str, ...]:
    if not isinstance(content, dict) or name not in content:
        names = list(map(str, content)) if isinstance(content, dict) else []
        raise SourceError(
            f"{file} has no {name!r}: expected lists of texts by the names {' and '.join(NAMES)}.",
            hint=did_you_mean(name, names) if names else "",
        )
    side = content[name]
    if not isinstance(side, list):
        raise SourceError(f"{file}: {name} must be a list of texts, was {shorten(side)}.")
    for nth, text in enumerate(side):
        if not isinstance(text, str) or not _whole(text):
            raise SourceError(f"{file}: {name}[{nth}] must be a text, was {shorten(text)}.")
    return tuple(side)


def _whole(text: str) -> bool:
    """Whether a text can be encoded: JSON may have lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
