"""From a recipe and the receipt of a training to the card of the model that it left."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from assay.components.generators.from_source import FromSource
from assay.core.arms import CURVE, is_curve
from assay.core.provenance import UNKNOWN, Used
from assay.core.recipe import Recipe
from assay.core.roles import Trainer
from assay.models.model_cards import hub_name
from assay.pipeline.lineage.models_used import data_licence, data_name, data_of, makers_of, start_of, used
from assay.pipeline.recipe.catalog import name_of
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.arms import training_seed
from assay.pipeline.stages.stage import Stage, StageKind
from assay.store.export.model_card import ModelCard
from assay.store.receipts import Receipt

REAL_ALONE = ("real", "real-few-shot", "human", "nearest-real")
REAL_TOO = ("real+synthetic", "human+synthetic")


def card_for(recipe: Recipe, stage: Stage, receipt: Receipt, kind: str) -> ModelCard:
    """What is known of the training that `stage` did."""
    own = stage.id.name if stage.id.kind is StageKind.MODEL else ""
    trainer = recipe.models[own].train if own else recipe.trainer(stage.id.name)
    nth = stage.id.nth or 0
    started = start_of(recipe, trainer)
    samples, synthetic = receipt.counts.get("samples", 0), receipt.counts.get("synthetic")
    return ModelCard(
        name=f"{recipe.name}: {stage.name}",
        kind=kind,
        role=_role(recipe, stage, own),
        start=None if started == "random" else used(recipe, started) if started else Used(UNKNOWN),
        hub=hub_name(started) if started else "",
        samples=samples,
        synthetic=synthetic,
        made_with=tuple(makers_of(recipe)) if synthetic else (),
        made_by=f"{name_of(recipe.generate)} {version_of(recipe.generate)}",
        data=tuple(_collected(recipe, stage, own)) if synthetic is None or synthetic < samples else (),
        training=_training(recipe, receipt, trainer, nth),
        recipe=recipe.name,
        version=receipt.environment.get("assay", ""),
    )


def _role(recipe: Recipe, stage: Stage, own: str) -> str:
    if own:
        return f"It is the model that the recipe calls {own!r}."
    arm = stage.id.name
    assert recipe.prove is not None, "only a proof has arms"
    said = f"{arm.removeprefix(CURVE)} real samples of each label" if is_curve(arm) else recipe.prove.arm(arm).said
    return f"It is there to measure what its data are worth, as the arm {arm!r}: {said}."


def _collected(recipe: Recipe, stage: Stage, own: str) -> Sequence[tuple[str, str]]:
    """The collected data that a training may have learned from."""
    given = list(data_of(recipe.generate)) if isinstance(recipe.generate, FromSource) else []
    if own:
        data = recipe.models[own].data
        return given if data is None else [(data_name(data), data_licence(data))]
    assert recipe.prove is not None, "only a proof has arms"
    arm = stage.id.name
    kind = "real" if is_curve(arm) else recipe.prove.arm(arm).kind
    real = [(data_name(recipe.prove.real), data_licence(recipe.prove.real))] if recipe.prove.real is not None else []
    if kind in REAL_ALONE:
        return real
    return [*real, *given] if kind in REAL_TOO else given


def _training(recipe: Recipe, receipt: Receipt, trainer: Trainer, nth: int) -> tuple[tuple[str, str], ...]:
    digest = hashlib.sha256(dump(recipe).encode()).hexdigest()
    return (
        ("trainer", f"{name_of(trainer)} {version_of(trainer)}"),
        ("steps", f"{receipt.counts.get('steps', 0):,}"),
        ("seed of the run", str(recipe.seed)),
        ("training", f"number {nth}, seed {training_seed(recipe.seed, nth)}"),
        ("stage", f"{receipt.stage}-{receipt.key}"),
        ("sha256 of recipe.yaml", digest),
    )
