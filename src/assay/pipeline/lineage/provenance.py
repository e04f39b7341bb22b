"""The provenance of samples of a run: read back from its recipe, its receipts and what lies there."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from assay.components.generators.prompts import read_texts
from assay.core.decoding import Decoding
from assay.core.errors import UserError
from assay.core.lab import seed_for
from assay.core.provenance import Ancestor, Judged, Provenance, Used
from assay.core.recipe import Recipe
from assay.core.roles import NamesRandomStream
from assay.core.sample import Sample
from assay.pipeline.lineage.models_used import makers_of, models_in, parts_in
from assay.pipeline.plan import Placed
from assay.pipeline.recipe.catalog import name_of
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.shards import samples_of
from assay.pipeline.stages.stage import score_id

ROW = 24
"""Ancestors that a row of an export names; a task that a model invented may descend from hundreds."""


@dataclass(frozen=True)
class Origins:
    """Tells where the samples that a run made came from; it looks once at what they share."""

    recipe: Recipe
    done: Mapping[str, Placed]
    """Stages that are done, by name; generate is one of them."""

    def of(self, sample: Sample) -> Provenance:
        """What is known of one of the samples."""
        receipt = self.done["generate"].receipt
        assert receipt is not None, "a stage that is done has a receipt"
        synthetic = sample.synthetic
        return Provenance(
            id=sample.id,
            synthetic=synthetic,
            made_by=name_of(self.recipe.generate) if synthetic else sample.made_by,
            version=version_of(self.recipe.generate) if synthetic else None,
            models=self._models if synthetic else (),
            prompt=_text(sample, "prompt") if synthetic else "",
            seed=self._seed(sample) if synthetic else None,
            settings=self._settings if synthetic else {},
            chain=tuple(self._chain(sample)),
            scored_by=self._scored_by,
            recipe=self.recipe.name,
            recipe_sha256=self._digest,
            stage=self.done["generate"].folder.name,
            run_seed=self.recipe.seed,
            assay=receipt.environment.get("assay", ""),
            date=receipt.finished,
        )

    def row(self, sample: Sample) -> Provenance:
        """As `of`, small enough to go along with every row of an export."""
        return self.of(sample).nearest(ROW)

    def _seed(self, sample: Sample) -> int | None:
        """The one seed that a sample was drawn with, where its generator says what it draws for."""
        stream = self.recipe.generate.stream if isinstance(self.recipe.generate, NamesRandomStream) else ""
        return seed_for(self.recipe.seed, sample.parents[0], stream) if stream and sample.parents else None

    def _chain(self, sample: Sample) -> Iterator[Ancestor]:
        """Parents first; what is not known any more ends the way back."""
        waiting = deque(sample.parents)
        met = {sample.id}
        while waiting:
            if (id_ := waiting.popleft()) in met:
                continue
            met.add(id_)
            found = self._known.get(id_)
            yield Ancestor(id_) if found is None else Ancestor(id_, found.made_by, _text(found, "origin"))
            waiting.extend(found.parents if found is not None else ())

    @cached_property
    def _models(self) -> tuple[Used, ...]:
        return tuple(makers_of(self.recipe))

    @cached_property
    def _scored_by(self) -> dict[str, Judged]:
        """The columns that are there, and what a generator itself has others say of what it makes."""
        there = {name: scorer for name, scorer in self.recipe.score.items() if str(score_id(name)) in self.done}
        within = {name: one for name, one in parts_in(self.recipe.generate, "scorers") if _references(describe(one))}
        return {
            name: Judged(name_of(one), version_of(one), _references(describe(one)))
            for name, one in (within | there).items()
        }

    @cached_property
    def _settings(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for field in fields(self.recipe.generate):  # type: ignore[arg-type]  # a component is a dataclass
            value = getattr(self.recipe.generate, field.name)
            if isinstance(value, Decoding):
                found[field.name] = _decoding(value)
            elif isinstance(value, Mapping):
                found |= {name: _decoding(way) for name, one in value.items() if (way := _way_of(one))}
            elif field.name != "model" and isinstance(value, str | int | float) and value != "":
                found[field.name] = value
        return found

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(dump(self.recipe).encode()).hexdigest()

    @cached_property
    def _known(self) -> dict[str, Sample]:
        """What the run made, what it planned, and what its generator was given, as far as that is still there."""
        found = {one.id: one for _, source in parts_in(self.recipe.generate, "sources") for one in _read(source)}
        with suppress(UserError):  # a file that was there when the run was made
            found |= {one.id: one for one in self.recipe.generate.seeds()}
        return found | {one.id: one for one in samples_of(self.done["generate"].folder)}


def _read(source: Any) -> list[Sample]:
    try:
        return read_texts("provenance", source)
    except UserError:  # it is gone, or needs a model: then nothing is known of it
        return []


def _text(sample: Sample, name: str) -> str:
    value = sample.fields.get(name)
    return value if isinstance(value, str) else ""


def _way_of(part: object) -> Decoding | None:
    """How a part of a generator decodes, such as one of several answerers."""
    way = getattr(part, "decoding", None)
    return way if isinstance(way, Decoding) else None


def _decoding(decoding: Decoding) -> dict[str, object]:
    """What is set, and not the seed: every sample has its own."""
    controls = sorted(decoding.controls)
    beams = ["beams"] if decoding.beams > 1 else []
    return {name: getattr(decoding, name) for name in ("strategy", *beams, "max_tokens", *controls)}


def _references(spec: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model for _, model in models_in(spec)))
