"""What asking models behind an API would cost: said by a plan, and before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from assay.core.completions import TextRequest
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.roles import EstimatesSamples, SendsRequests
from assay.core.sample import Sample
from assay.models.caches import answers_folder
from assay.models.open_models import OpenModels
from assay.models.remote.budget import Estimate, estimate
from assay.models.remote.services import find_endpoint, is_remote
from assay.models.remote.transport import RemoteSettings
from assay.pipeline.plan import Placed, Survey
from assay.pipeline.recipe.trained import bound, stand_ins
from assay.pipeline.stages.generate import SHARD
from assay.pipeline.stages.shards import samples_of
from assay.pipeline.stages.stage import GENERATE, Stage, StageId, StageKind, score_id
from assay.pipeline.stages.train import BaseModelStage
from assay.store.images import StoredImages

ASSUMED = (
    "At most: of texts that are not written yet, none fails and each is as long as its generator's max_tokens allows."
)
UNTOLD = "Unknown: the generator does not say how long its samples can become."
UNTRAINED = "Unknown: it is asked about the answers of models that are not trained yet."
READS_ANSWERS = (
    StageKind.MODEL,
    StageKind.TRAIN,
    StageKind.EVALUATE,
    StageKind.MEASURE,
    StageKind.DUEL,
    StageKind.AUXILIARY,
)
"""Kinds of stages whose components may ask models about the answers of trained models."""


@dataclass(frozen=True)
class Asks:
    """One stage and one model."""

    stage: str
    model: str
    estimate: Estimate | None
    """None where it cannot be told before there are samples."""
    assumed: bool = False
    """Whether it is about samples that are not there yet."""
    unknown: str = UNTOLD
    """Why there is no estimate, where there is none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """How the numbers are to be read."""
        if self.estimate is None:
            return (self.unknown,)
        return (self.estimate.note, ASSUMED) if self.assumed else (self.estimate.note,)

    @property
    def data(self) -> dict[str, Any]:
        """For programs."""
        numbers = asdict(self.estimate) if self.estimate is not None else dict.fromkeys(Estimate.__dataclass_fields__)
        return {"stage": self.stage, "model": self.model, **numbers, "assumed": self.assumed}


def expected(stage: str, requests: Mapping[str, Sequence[TextRequest]]) -> list[Asks]:
    """What asking these, by model, would cost; open models cost nothing and are left out. Nobody is asked.

    Raises:
        ModelError: A service cannot do what is asked of it.
    """
    return _priced(stage, [requests])


def asks(recipe: Recipe, surveyed: Survey) -> list[Asks]:
    """What a run would still ask to generate and to score; nobody is asked, and no key is needed.

    Samples that are not there yet are taken to be the generator's `stand_ins`.

    Raises:
        ModelError: A service cannot do what the recipe asks of it.
        FieldError: A scorer wants a field that the samples will not have.
    """
    placed = {stage.id: place for stage, place in surveyed}
    todo = [stage for stage, place in surveyed if place is None or place.state != "done"]
    lab = Lab(recipe.seed, OpenModels(), StoredImages([]))
    return [*_of_samples(_with_stand_ins(recipe, lab), placed[GENERATE], todo, lab), *_of_answers(todo, lab)]


def _with_stand_ins(recipe: Recipe, lab: Lab) -> Recipe:
    """What asks, with models in the place of the recipe's own: these lie on this machine and cost nothing."""
    there = stand_ins(recipe, lab)
    return replace(recipe, generate=bound(recipe.generate, there), score=bound(recipe.score, there))


def _of_answers(todo: Sequence[Stage], lab: Lab) -> list[Asks]:
    """Requests about the answers of models that are trained or in training, whose length is unknown."""
    return [
        Asks(stage.name, model, None, assumed=True, unknown=UNTRAINED)
        for stage in sorted(todo, key=lambda stage: stage.id.kind is not StageKind.MODEL)
        if stage.id.kind in READS_ANSWERS and not isinstance(stage, BaseModelStage)
        for component in stage.components
        for model in dict.fromkeys(model for asker in _askers(component) for model in asker.asks([], lab))
        if is_remote(model)
    ]


def _askers(value: object) -> Iterator[Any]:
    """The component, if it says what it asks, or those within it that do."""
    if isinstance(value, SendsRequests):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _askers(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _askers(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for own in fields(value):
            yield from _askers(getattr(value, own.name))


def _of_samples(recipe: Recipe, made: Placed | None, todo: Sequence[Stage], lab: Lab) -> list[Asks]:
    """Requests of the generator and of the scorers."""
    waiting = {stage.id for stage in todo}
    if made is not None and made.state == "done":
        samples = samples_of(made.folder)
        return [
            estimated
            for column, scorer in _asking(recipe).items()
            if score_id(column) in waiting
            for estimated in expected(str(score_id(column)), scorer.asks(samples, lab))
        ]
    seeds, generator = recipe.generate.seeds(), recipe.generate
    found = expected(str(GENERATE), generator.asks(seeds, lab)) if isinstance(generator, SendsRequests) else []
    for column, scorer in _asking(recipe).items():
        found += _assumed(score_id(column), scorer, generator, seeds, lab)
    return found


def _asking(recipe: Recipe) -> dict[str, Any]:
    """The scorers that say what they ask."""
    return {column: scorer for column, scorer in recipe.score.items() if isinstance(scorer, SendsRequests)}


def _assumed(stage: StageId, scorer: Any, generator: Any, seeds: Sequence[Sample], lab: Lab) -> list[Asks]:
    """What scoring would ask about samples that are not there yet."""
    if not isinstance(generator, EstimatesSamples):
        return [Asks(str(stage), model, None, assumed=True) for model in scorer.asks([], lab) if is_remote(model)]
    # A few at a time: they are as long as texts can become.
    shards = (seeds[start : start + SHARD] for start in range(0, len(seeds), SHARD))
    return _priced(str(stage), (scorer.asks(generator.stand_ins(shard), lab) for shard in shards), assumed=True)


def _priced(stage: str, parts: Iterable[Mapping[str, Sequence[TextRequest]]], *, assumed: bool = False) -> list[Asks]:
    found: dict[str, Estimate] = {}
    # What is only assumed was never answered, and equal texts are not the same answer.
    answers = None if assumed else answers_folder()
    for part in parts:
        for model, requests in part.items():
            if is_remote(model):
                settings = RemoteSettings()
                one = estimate(find_endpoint(model, settings.address), settings.price, answers, requests)
                found[model] = found[model] + one if model in found else one
    return [Asks(stage, model, one, assumed) for model, one in found.items()]
