"""Is the test clean? Held-out items that a training set holds too, counted before anything is claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from assay.core.errors import RecipeError
from assay.core.sample import Image, Sample
from assay.core.score import Fingerprint, Outcome
from assay.stats.distributions.distances import nearest_rows, unit_rows
from assay.store.atomic import write_bytes

FILE = "leaks.json"
SHOWN = 20
"""Pairs that are named."""


@dataclass(frozen=True)
class Leaks:
    """What one set of samples shares with the held-out ones."""

    set: str
    samples: int
    held_out: int
    exact: int
    """Held-out items with the same images, or the same words, as a sample."""
    near: int | None
    """Others whose fingerprint is at least as like that of a sample as `similarity`; None where there are none."""
    similarity: float
    pairs: tuple[tuple[str, str], ...] = ()
    """Ids of held-out item and sample, exact ones first; the first of them."""


def leaks(
    name: str,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    similarity: float,
    prints: tuple[Mapping[str, Outcome], Mapping[str, Outcome]] | None = None,
) -> Leaks:
    """Counts the held-out items that `samples` hold too, each once.

    `prints` are fingerprints by id, of the samples and of the held-out ones; likeness is their cosine.
    """
    content = {content_of(sample): sample.id for sample in samples}
    exact = [(item.id, content[content_of(item)]) for item in held_out if content_of(item) in content]
    if prints is None:
        return Leaks(name, len(samples), len(held_out), len(exact), None, similarity, tuple(exact[:SHOWN]))
    same = {item for item, _ in exact}
    ours = [(s.id, p.vector) for s in samples if isinstance(p := prints[0].get(s.id), Fingerprint)]
    theirs = [
        (s.id, p.vector) for s in held_out if s.id not in same and isinstance(p := prints[1].get(s.id), Fingerprint)
    ]
    near = []
    if ours and theirs:
        rows, distances = nearest_rows(unit_rows([v for _, v in theirs]), unit_rows([v for _, v in ours]))
        # Of rows of length 1, cosine = 1 - distance^2 / 2.
        alike = 1 - distances**2 / 2 >= similarity
        near = [(theirs[nth][0], ours[rows[nth]][0]) for nth in np.flatnonzero(alike)]
    pairs = tuple([*exact, *near][:SHOWN])
    return Leaks(name, len(samples), len(held_out), len(exact), len(near), similarity, pairs)


def write_leaks(folder: Path, found: Sequence[Leaks]) -> None:
    """Notes in a stage's folder what was found."""
    write_bytes(folder / FILE, msgspec.json.format(msgspec.json.encode(found, order="sorted")))


def read_leaks(folder: Path) -> list[Leaks]:
    """What was found."""
    return msgspec.json.decode((folder / FILE).read_bytes(), type=list[Leaks])


def refuse(found: Sequence[Leaks]) -> None:
    """Ends a strict run whose test is not clean.

    Raises:
        RecipeError: A held-out sample is among the training samples, or nearly.
    """
    for one in found:
        if one.exact or one.near:
            item, sample = one.pairs[0]
            raise RecipeError(
                f"The test is not clean: of {one.held_out} held-out samples, {one.exact} are also in {one.set!r}, and "
                f"{one.near or 0} nearly (such as {item}, like {sample}).",
                hint="Take other samples to train on, or run without --strict: the report will say it.",
            )


def content_of(sample: Sample) -> tuple[tuple[str, str], ...]:
    """What an item says, whatever it is called and wherever it came from.

    Its images; else its text, or the instruction and the input of a task with what was said before, whose answer may
    be another; else all its words. Words are compared in small letters and with single spaces.
    """
    images = tuple((name, v.digest) for name, v in sorted(sample.fields.items()) if isinstance(v, Image))
    words = {
        name: " ".join(value.split()).casefold()
        for name, value in sorted(sample.fields.items())
        if isinstance(value, str) and name not in ("label", "origin", "part")
    }
    if "instruction" in words:
        said = {name: words.get(name, "") for name in ("history", "instruction", "input")}
    else:
        said = {"text": words["text"]} if "text" in words else words
    return images or tuple(said.items())
