"""Cost of remote models: estimated before a run, and attributed to stages after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from assay.core.completions import TextRequest
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.roles import EstimatesSamples, SendsRequests
from assay.core.sample import Sample
from assay.models.caches import answers_folder
from assay.models.open_models import OpenModels
from assay.models.remote.budget import Account, Estimate, estimate
from assay.models.remote.services import find_endpoint, is_remote
from assay.models.remote.transport import RemoteSettings
from assay.pipeline.plan import PlannedStage, RunPlan
from assay.pipeline.recipe.references import replace_references, root_models
from assay.pipeline.stages.generate import SHARD
from assay.pipeline.stages.parts import samples_of
from assay.pipeline.stages.stage import GENERATE, Stage, StageId, StageKind, score_id
from assay.pipeline.stages.train import BaseModelStage
from assay.store.images import StoredImages
from assay.store.receipts import Receipt, read_receipt

UPPER_BOUND = (
    "Upper bound: assumes that no text fails to generate, and that each text is as long as its generator's max_tokens."
)
UNKNOWN_LENGTH = "Unknown: the generator does not estimate the length of its samples."
UNTRAINED_MODELS = "Unknown: depends on the answers of models that are not trained yet."
READS_ANSWERS = (
    StageKind.MODEL,
    StageKind.TRAIN,
    StageKind.EVALUATE,
    StageKind.MEASURE,
    StageKind.DUEL,
    StageKind.AUXILIARY,
)
"""Kinds of stages whose components may send requests about the answers of trained models."""
UNPRICED = "unpriced"
"""Count in a receipt: requests of unknown price."""
MICRODOLLARS = "microdollars"
"""Count in a receipt: the known part of a cost whose total is unknown."""
MIN_DOLLARS = 1e-6
"""Smaller costs are rounding errors of sums of floats."""


@dataclass(frozen=True)
class CostEstimate:
    """Estimated cost of the requests of one stage to one model."""

    stage: str
    model: str
    estimate: Estimate | None
    """None if it cannot be estimated before there are samples."""
    assumed: bool = False
    """Whether the samples do not exist yet and their lengths are assumed."""
    unknown: str = UNKNOWN_LENGTH
    """Why there is no estimate, if there is none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Explanation of the numbers."""
        if self.estimate is None:
            return (self.unknown,)
        return (self.estimate.note, UPPER_BOUND) if self.assumed else (self.estimate.note,)

    @property
    def data(self) -> dict[str, Any]:
        """The estimate as JSON."""
        numbers = asdict(self.estimate) if self.estimate is not None else dict.fromkeys(Estimate.__dataclass_fields__)
        return {"stage": self.stage, "model": self.model, **numbers, "assumed": self.assumed}


def estimate_requests(stage: str, requests: Mapping[str, Sequence[TextRequest]]) -> list[CostEstimate]:
    """Estimated cost of requests by model, without local models. Sends no request.

    Raises:
        ModelError: A service does not support a request.
    """
    return _estimate_batches(stage, [requests])


def estimate_run(recipe: Recipe, plan: RunPlan) -> list[CostEstimate]:
    """Estimated cost of the requests that a run has yet to send. Sends no request and needs no API key.

    Samples that do not exist yet are represented by the generator's `stand_ins`.

    Raises:
        ModelError: A service does not support what the recipe requests.
        FieldError: A scorer reads a field that the samples will not have.
    """
    planned_stages = {stage.id: planned for stage, planned in plan}
    todo = [stage for stage, planned in plan if planned is None or planned.state != "done"]
    lab = Lab(recipe.seed, OpenModels(), StoredImages([]))
    local = _with_root_models(recipe, lab)
    return [*_generation_and_scoring(local, planned_stages[GENERATE], todo, lab), *_answer_requests(todo, lab)]


def _with_root_models(recipe: Recipe, lab: Lab) -> Recipe:
    """The recipe with its own models replaced by those that they are trained from: both are local and cost nothing."""
    roots = root_models(recipe, lab)
    return replace(
        recipe, generate=replace_references(recipe.generate, roots), score=replace_references(recipe.score, roots)
    )


def _answer_requests(todo: Sequence[Stage], lab: Lab) -> list[CostEstimate]:
    """Requests about the answers of models that are not trained yet, whose length is unknown."""
    return [
        CostEstimate(stage.name, model, None, assumed=True, unknown=UNTRAINED_MODELS)
        for stage in sorted(todo, key=lambda stage: stage.id.kind is not StageKind.MODEL)
        if stage.id.kind in READS_ANSWERS and not isinstance(stage, BaseModelStage)
        for component in stage.components
        for model in dict.fromkeys(model for sender in _request_senders(component) for model in sender.asks([], lab))
        if is_remote(model)
    ]


def _request_senders(value: object) -> Iterator[Any]:
    """The component if it lists its requests, else the components within it that do."""
    if isinstance(value, SendsRequests):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _request_senders(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _request_senders(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for argument in fields(value):
            yield from _request_senders(getattr(value, argument.name))


def _generation_and_scoring(
    recipe: Recipe, generated: PlannedStage | None, todo: Sequence[Stage], lab: Lab
) -> list[CostEstimate]:
    """Requests of the generator and of the scorers."""
    scorers = {column: scorer for column, scorer in recipe.score.items() if isinstance(scorer, SendsRequests)}
    if generated is not None and generated.state == "done":
        samples, incomplete = samples_of(generated.folder), {stage.id for stage in todo}
        return [
            cost
            for column, scorer in scorers.items()
            if score_id(column) in incomplete
            for cost in estimate_requests(str(score_id(column)), scorer.asks(samples, lab))
        ]
    seeds, generator = recipe.generate.seeds(), recipe.generate
    estimates = (
        estimate_requests(str(GENERATE), generator.asks(seeds, lab)) if isinstance(generator, SendsRequests) else []
    )
    for column, scorer in scorers.items():
        estimates += _assumed_scoring(score_id(column), scorer, generator, seeds, lab)
    return estimates


def _assumed_scoring(
    stage: StageId, scorer: Any, generator: Any, seeds: Sequence[Sample], lab: Lab
) -> list[CostEstimate]:
    """Requests of a scorer about samples that do not exist yet."""
    if not isinstance(generator, EstimatesSamples):
        return [
            CostEstimate(str(stage), model, None, assumed=True) for model in scorer.asks([], lab) if is_remote(model)
        ]
    # In shards, because stand-ins have the maximum length.
    shards = (seeds[start : start + SHARD] for start in range(0, len(seeds), SHARD))
    batches = (scorer.asks(generator.stand_ins(shard), lab) for shard in shards)
    return _estimate_batches(str(stage), batches, assumed=True)


def _estimate_batches(
    stage: str, batches: Iterable[Mapping[str, Sequence[TextRequest]]], *, assumed: bool = False
) -> list[CostEstimate]:
    """Sum of the estimates of batches of requests, by model."""
    totals: dict[str, Estimate] = {}
    # Requests about assumed samples have no cached answers, and equal stand-ins are different samples.
    answers = None if assumed else answers_folder()
    for batch in batches:
        for model, requests in batch.items():
            if is_remote(model):
                settings = RemoteSettings()
                cost = estimate(find_endpoint(model, settings.address), settings.price, answers, requests)
                totals[model] = totals[model] + cost if model in totals else cost
    return [CostEstimate(stage, model, total, assumed) for model, total in totals.items()]


@dataclass(frozen=True)
class PaidCost:
    """Cost of a stage, as its receipt stores it."""

    tokens: int | None = None
    cost_usd: float | Literal["unknown"] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def paid_cost(account: Account, folders: Sequence[Path]) -> PaidCost:
    """Cost of the stage that was just completed, including its interrupted sessions.

    Stages run one after the other, so the cost of the newest is the account of the run minus the costs in the receipts
    of all other stages.

    Args:
        account: Cost of the run so far.
        folders: Folders of all stages; that of the newest has no receipt yet.
    """
    if account == Account():
        return PaidCost()
    receipts = [receipt for receipt in map(read_receipt, folders) if receipt is not None]
    tokens = account.tokens - sum(receipt.tokens or 0 for receipt in receipts)
    unpriced = account.unpriced - sum(receipt.counts.get(UNPRICED, 0) for receipt in receipts)
    dollars = max(0.0, account.dollars - sum(map(_known_dollars, receipts)))
    if unpriced > 0:
        return PaidCost(tokens, "unknown", {UNPRICED: unpriced, MICRODOLLARS: round(dollars * 1e6)})
    if tokens <= 0 and dollars < MIN_DOLLARS:
        return PaidCost()
    return PaidCost(tokens, dollars)


def _known_dollars(receipt: Receipt) -> float:
    if isinstance(receipt.cost_usd, str):
        return receipt.counts.get(MICRODOLLARS, 0) / 1e6
    return receipt.cost_usd or 0.0
