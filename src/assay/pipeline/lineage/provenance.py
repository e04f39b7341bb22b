"""Provenance of the samples of a run, from its recipe, receipts and stored samples."""

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
from assay.pipeline.lineage.models_used import components_in, generator_models, models_in
from assay.pipeline.plan import PlannedStage
from assay.pipeline.recipe.catalog import component_name
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.stages.parts import samples_of
from assay.pipeline.stages.stage import score_id

MAX_ANCESTORS = 24
"""Maximum number of ancestors in a row of an export; a task of `SelfInstruct` may descend from hundreds."""


@dataclass(frozen=True)
class SampleProvenance:
    """Provenance of the samples of a run; what samples share is computed once."""

    recipe: Recipe
    stages: Mapping[str, PlannedStage]
    """Completed stages by name, including `generate`."""

    def of(self, sample: Sample) -> Provenance:
        """Provenance of one sample."""
        receipt = self.stages["generate"].receipt
        assert receipt is not None, "a completed stage has a receipt"
        synthetic = sample.synthetic
        return Provenance(
            id=sample.id,
            synthetic=synthetic,
            made_by=component_name(self.recipe.generate) if synthetic else sample.made_by,
            version=version_of(self.recipe.generate) if synthetic else None,
            models=self._models if synthetic else (),
            prompt=_text(sample, "prompt") if synthetic else "",
            seed=self._seed(sample) if synthetic else None,
            settings=self._settings if synthetic else {},
            chain=tuple(self._chain(sample)),
            scored_by=self._scored_by,
            recipe=self.recipe.name,
            recipe_sha256=self._digest,
            stage=self.stages["generate"].folder.name,
            run_seed=self.recipe.seed,
            assay=receipt.environment.get("assay", ""),
            date=receipt.finished,
        )

    def row(self, sample: Sample) -> Provenance:
        """Provenance of one sample with at most `MAX_ANCESTORS` ancestors, for the rows of an export."""
        return self.of(sample).nearest(MAX_ANCESTORS)

    def _seed(self, sample: Sample) -> int | None:
        """Random seed of a sample; None if its generator does not name a single random stream."""
        stream = self.recipe.generate.stream if isinstance(self.recipe.generate, NamesRandomStream) else ""
        return seed_for(self.recipe.seed, sample.parents[0], stream) if stream and sample.parents else None

    def _chain(self, sample: Sample) -> Iterator[Ancestor]:
        """Ancestors in breadth-first order; the parents of an unknown ancestor are unknown too."""
        queue = deque(sample.parents)
        visited = {sample.id}
        while queue:
            if (id_ := queue.popleft()) in visited:
                continue
            visited.add(id_)
            ancestor = self._samples.get(id_)
            yield Ancestor(id_) if ancestor is None else Ancestor(id_, ancestor.made_by, _text(ancestor, "origin"))
            queue.extend(ancestor.parents if ancestor is not None else ())

    @cached_property
    def _models(self) -> tuple[Used, ...]:
        return tuple(generator_models(self.recipe))

    @cached_property
    def _scored_by(self) -> dict[str, Judged]:
        """Scorers of the completed score columns, and scorers with a model within the generator."""
        columns = {name: scorer for name, scorer in self.recipe.score.items() if str(score_id(name)) in self.stages}
        nested = {
            name: scorer
            for name, scorer in components_in(self.recipe.generate, "scorers")
            if _references(describe(scorer))
        }
        return {
            name: Judged(component_name(scorer), version_of(scorer), _references(describe(scorer)))
            for name, scorer in (nested | columns).items()
        }

    @cached_property
    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = {}
        for field in fields(self.recipe.generate):  # type: ignore[arg-type]  # a component is a dataclass
            value = getattr(self.recipe.generate, field.name)
            if isinstance(value, Decoding):
                settings[field.name] = _decoding_settings(value)
            elif isinstance(value, Mapping):
                decodings = {name: getattr(part, "decoding", None) for name, part in value.items()}
                settings |= {name: _decoding_settings(d) for name, d in decodings.items() if isinstance(d, Decoding)}
            elif field.name != "model" and isinstance(value, str | int | float) and value != "":
                settings[field.name] = value
        return settings

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(dump(self.recipe).encode()).hexdigest()

    @cached_property
    def _samples(self) -> dict[str, Sample]:
        """Available samples by id: those that the generator reads, its seeds, and those that it generated."""
        sources = components_in(self.recipe.generate, "sources")
        samples = {sample.id: sample for _, source in sources for sample in _read_source(source)}
        with suppress(UserError):  # a file may be gone since the run
            samples |= {seed.id: seed for seed in self.recipe.generate.seeds()}
        return samples | {sample.id: sample for sample in samples_of(self.stages["generate"].folder)}


def _read_source(source: Any) -> list[Sample]:
    try:
        return read_texts("provenance", source)
    except UserError:  # the data is gone, or the source needs a model
        return []


def _text(sample: Sample, name: str) -> str:
    value = sample.fields.get(name)
    return value if isinstance(value, str) else ""


def _decoding_settings(decoding: Decoding) -> dict[str, object]:
    """Parameters of decoding that are set, without the seed, which differs between samples."""
    controls = sorted(decoding.controls)
    beams = ["beams"] if decoding.beams > 1 else []
    return {name: getattr(decoding, name) for name in ("strategy", *beams, "max_tokens", *controls)}


def _references(spec: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model for _, model in models_in(spec)))
