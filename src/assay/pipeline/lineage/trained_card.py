"""Model card of a trained model, from the recipe and the receipt of its training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from assay.components.generators.from_source import FromSource
from assay.core.arms import CURVE, is_curve
from assay.core.provenance import UNKNOWN, Used
from assay.core.recipe import Recipe
from assay.core.roles import Trainer
from assay.models.model_cards import hub_name
from assay.pipeline.lineage.models_used import (
    data_license,
    data_licenses,
    data_name,
    generator_models,
    start_model,
    used_model,
)
from assay.pipeline.recipe.catalog import component_name
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import version_of
from assay.pipeline.stages.arms import training_seed
from assay.pipeline.stages.stage import Stage, StageKind
from assay.store.export.cards import ModelCard
from assay.store.receipts import Receipt

ONLY_REAL = ("real", "real-few-shot", "human", "nearest-real")
"""Arms that are trained on real samples alone."""
REAL_AND_SYNTHETIC = ("real+synthetic", "human+synthetic")


def card_for(recipe: Recipe, stage: Stage, receipt: Receipt, kind: str) -> ModelCard:
    """Card of the model that a stage trained."""
    own_model = stage.id.name if stage.id.kind is StageKind.MODEL else ""
    trainer = recipe.models[own_model].train if own_model else recipe.trainer(stage.id.name)
    nth = stage.id.nth or 0
    start = start_model(recipe, trainer)
    samples, synthetic = receipt.counts.get("samples", 0), receipt.counts.get("synthetic")
    return ModelCard(
        name=f"{recipe.name}: {stage.name}",
        kind=kind,
        role=_role(recipe, stage, own_model),
        start=None if start == "random" else used_model(recipe, start) if start else Used(UNKNOWN),
        hub=hub_name(start) if start else "",
        samples=samples,
        synthetic=synthetic,
        made_with=tuple(generator_models(recipe)) if synthetic else (),
        made_by=f"{component_name(recipe.generate)} {version_of(recipe.generate)}",
        data=tuple(_real_data(recipe, stage, own_model)) if synthetic is None or synthetic < samples else (),
        training=_training(recipe, receipt, trainer, nth),
        recipe=recipe.name,
        version=receipt.environment.get("assay", ""),
    )


def _role(recipe: Recipe, stage: Stage, own_model: str) -> str:
    if own_model:
        return f"The model {own_model!r} of the recipe."
    arm = stage.id.name
    assert recipe.prove is not None, "only a proof has arms"
    data = (
        f"{arm.removeprefix(CURVE)} real samples of each label" if is_curve(arm) else recipe.prove.arm(arm).description
    )
    return f"The arm {arm!r} of a comparison of training sets: {data}."


def _real_data(recipe: Recipe, stage: Stage, own_model: str) -> Sequence[tuple[str, str]]:
    """(name, license) of the real data that a model may have been trained on."""
    generated = list(data_licenses(recipe.generate)) if isinstance(recipe.generate, FromSource) else []
    if own_model:
        data = recipe.models[own_model].data
        return generated if data is None else [(data_name(data), data_license(data))]
    assert recipe.prove is not None, "only a proof has arms"
    arm = stage.id.name
    kind = "real" if is_curve(arm) else recipe.prove.arm(arm).kind
    real = [(data_name(recipe.prove.real), data_license(recipe.prove.real))] if recipe.prove.real is not None else []
    if kind in ONLY_REAL:
        return real
    return [*real, *generated] if kind in REAL_AND_SYNTHETIC else generated


def _training(recipe: Recipe, receipt: Receipt, trainer: Trainer, nth: int) -> tuple[tuple[str, str], ...]:
    digest = hashlib.sha256(dump(recipe).encode()).hexdigest()
    return (
        ("trainer", f"{component_name(trainer)} {version_of(trainer)}"),
        ("steps", f"{receipt.counts.get('steps', 0):,}"),
        ("seed of the run", str(recipe.seed)),
        ("training", f"number {nth}, seed {training_seed(recipe.seed, nth)}"),
        ("stage", f"{receipt.stage}-{receipt.key}"),
        ("sha256 of recipe.yaml", digest),
    )
