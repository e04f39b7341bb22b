"""Train-test leakage: held-out samples that are also training samples, exactly or as near duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from assay.core.errors import RecipeError
from assay.core.sample import Image, Sample
from assay.core.score import Fingerprint, Outcome
from assay.pipeline.stages.context import RunContext
from assay.pipeline.stages.stage import HOLDOUT, Stage, StageId, embed_id
from assay.stats.distributions.distances import nearest_rows, unit_rows
from assay.store.atomic import write_bytes

FILE = "leaks.json"
MAX_PAIRS = 20
"""Maximum number of pairs that are listed."""


@dataclass(frozen=True)
class LeakageStage(Stage):
    """Counts the held-out samples that are among the training samples, before anything is trained."""

    similarity: float
    sets: Mapping[StageId, StageId | None]
    """Each set of training samples, and the stage with its fingerprints where there is one."""

    @property
    def spec(self) -> Mapping[str, Any]:
        return {"similarity": self.similarity}

    @property
    def version(self) -> int:
        return 1

    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        held_out = context.samples(HOLDOUT)
        context.reporter.begin(self.name, len(held_out), 0)
        leaks = []
        for source, embedded in self.sets.items():
            fingerprints = None
            if embedded is not None:
                fingerprints = dict(context.outcomes(embedded)), dict(context.outcomes(embed_id(HOLDOUT)))
            leaks.append(count_leaks(str(source), context.samples(source), held_out, self.similarity, fingerprints))
        write_leaks(folder, leaks)
        return {
            "rows": len(held_out),
            "exact": sum(leak.exact for leak in leaks),
            "near": sum(leak.near or 0 for leak in leaks),
        }

    def finish(self, context: RunContext, folder: Path) -> None:
        if context.strict:
            check_no_leaks(read_leaks(folder))


@dataclass(frozen=True)
class Leaks:
    """Overlap of one training set with the held-out samples."""

    set: str
    samples: int
    held_out: int
    exact: int
    """Held-out samples with the same images, or the same text, as a training sample."""
    near: int | None
    """Other held-out samples with a cosine similarity of at least `similarity` to a training sample; None without
    fingerprints."""
    similarity: float
    pairs: tuple[tuple[str, str], ...] = ()
    """(id of the held-out sample, id of the training sample), exact duplicates first; at most `MAX_PAIRS`."""


def count_leaks(
    name: str,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    similarity: float,
    fingerprints: tuple[Mapping[str, Outcome], Mapping[str, Outcome]] | None = None,
) -> Leaks:
    """Count the held-out samples that are also in `samples`, each once.

    Args:
        name: Name of the training set.
        samples: Training samples.
        held_out: Held-out samples.
        similarity: Cosine similarity from which a pair counts as near duplicates.
        fingerprints: Fingerprints by id, of the training samples and of the held-out samples.
    """
    content = {content_of(sample): sample.id for sample in samples}
    exact = [(item.id, content[content_of(item)]) for item in held_out if content_of(item) in content]
    if fingerprints is None:
        return Leaks(name, len(samples), len(held_out), len(exact), None, similarity, tuple(exact[:MAX_PAIRS]))
    exact_ids = {item for item, _ in exact}
    train = _vectors(samples, fingerprints[0])
    holdout = _vectors([sample for sample in held_out if sample.id not in exact_ids], fingerprints[1])
    near = []
    if train and holdout:
        rows, distances = nearest_rows(unit_rows([v for _, v in holdout]), unit_rows([v for _, v in train]))
        # Of rows of length 1, cosine = 1 - distance^2 / 2.
        is_near = 1 - distances**2 / 2 >= similarity
        near = [(holdout[nth][0], train[rows[nth]][0]) for nth in np.flatnonzero(is_near)]
    pairs = tuple([*exact, *near][:MAX_PAIRS])
    return Leaks(name, len(samples), len(held_out), len(exact), len(near), similarity, pairs)


def _vectors(samples: Sequence[Sample], fingerprints: Mapping[str, Outcome]) -> list[tuple[str, tuple[float, ...]]]:
    """(id, fingerprint) of the samples that have a fingerprint."""
    outcomes = ((sample.id, fingerprints.get(sample.id)) for sample in samples)
    return [(id_, outcome.vector) for id_, outcome in outcomes if isinstance(outcome, Fingerprint)]


def write_leaks(folder: Path, leaks: Sequence[Leaks]) -> None:
    """Write the counts into the folder of the stage."""
    write_bytes(folder / FILE, msgspec.json.format(msgspec.json.encode(leaks, order="sorted")))


def read_leaks(folder: Path) -> list[Leaks]:
    """The counts in the folder of the stage."""
    return msgspec.json.decode((folder / FILE).read_bytes(), type=list[Leaks])


def check_no_leaks(leaks: Sequence[Leaks]) -> None:
    """Stop a strict run with leakage.

    Raises:
        RecipeError: A held-out sample, or a near duplicate of one, is among the training samples.
    """
    for leak in leaks:
        if leak.exact or leak.near:
            item, sample = leak.pairs[0]
            raise RecipeError(
                f"Train-test leakage: of {leak.held_out} held-out samples, {leak.exact} are also in {leak.set!r} and "
                f"{leak.near or 0} have a near duplicate there (for example {item} and {sample}).",
                hint="Train on other samples, or run without --strict: the report then shows the leakage.",
            )


def content_of(sample: Sample) -> tuple[tuple[str, str], ...]:
    """Content of a sample by which duplicates are found, without its id, label and origin.

    The images; else the text; else the history, instruction and input of a task, without its answer; else all text
    fields. Text is compared with case folded and whitespace collapsed.
    """
    images = tuple((name, v.digest) for name, v in sorted(sample.fields.items()) if isinstance(v, Image))
    words = {
        name: " ".join(value.split()).casefold()
        for name, value in sorted(sample.fields.items())
        if isinstance(value, str) and name not in ("label", "origin", "part")
    }
    if "instruction" in words:
        text = {name: words.get(name, "") for name in ("history", "instruction", "input")}
    else:
        text = {"text": words["text"]} if "text" in words else words
    return images or tuple(text.items())
