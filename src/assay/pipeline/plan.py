"""Planning: the stages of a recipe, their keys and folders, and whether they are complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from assay.core.arms import OWN, is_base, is_curve
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Source
from assay.pipeline.recipe.references import check_references
from assay.pipeline.stages.evaluate import AgreementStage, EvaluateStage, ReferenceStage
from assay.pipeline.stages.generate import GenerateStage, SourceStage
from assay.pipeline.stages.keep import KeepStage
from assay.pipeline.stages.leakage import LeakageStage
from assay.pipeline.stages.measure import MeasureStage
from assay.pipeline.stages.ood import OodStage
from assay.pipeline.stages.parts import parts
from assay.pipeline.stages.score import ScoreStage
from assay.pipeline.stages.stage import (
    CALIBRATE,
    EVALUATE,
    GENERATE,
    HOLDOUT,
    KEEP,
    LEAKAGE,
    REAL,
    Stage,
    StageId,
    StageKind,
    embed_id,
    model_id,
    models_for,
    score_id,
    train_id,
)
from assay.pipeline.stages.train import BaseModelStage, OwnModelStage, TrainArmStage, TrainModelStage
from assay.store.receipts import Receipt, damaged_files, read_receipt, stage_key

State = Literal["done", "retry", "damaged", "begun", "to do", "waits"]
COMPLETE = ("done", "retry")
"""States with a receipt. The failed rows of a stage in state "retry" are tried again."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage whose inputs are complete, so that its key, folder and state are known."""

    stage: Stage
    key: str
    folder: Path
    inputs: tuple[str, ...]
    receipt: Receipt | None
    state: State


RunPlan: TypeAlias = list[tuple[Stage, PlannedStage | None]]
"""Every stage of a run, with its key and state; None if it waits for an earlier stage."""


def recipe_stages(recipe: Recipe) -> list[Stage]:
    """Every stage of a recipe, each after those that it needs.

    Real data is read first, so that a missing data set is reported early.

    Raises:
        RecipeError: A component references a model that the recipe does not define.
    """
    check_references(recipe)
    proof = recipe.prove
    sources = _sources(proof) if proof is not None else []
    teaching = [
        SourceStage(StageId(StageKind.TEACH_DATA, name), (), 0, model.data)
        for name, model in recipe.models.items()
        if model.data is not None
    ]
    samples = _samples(recipe)
    if proof is None:
        return _topological_order([*teaching, *_own_models(recipe), *samples])
    embedded = _embedded(recipe, proof, [stage.id for stage in sources])
    before = [*sources, *teaching, *samples, *embedded]
    leakage = _leakage(proof, [stage.id for stage in before])
    trained = _trained(recipe, proof)
    after = [*_evaluated(recipe, proof, tuple(stage.id for stage in trained)), *_reference(proof), *_ood(proof)]
    return _topological_order(
        [*sources, *teaching, *_own_models(recipe), *samples, *embedded, leakage, *trained, *after]
    )


def plan_stage(stage: Stage, root: Path, receipts: Mapping[StageId, Receipt]) -> PlannedStage:
    """Key, folder and state of a stage in the run at `root`, from the receipts of the stages that it needs."""
    inputs = inputs_of(stage, receipts)
    key = stage_key(dict(stage.spec), inputs, stage.version, stage.seed)
    folder = root / f"{stage.name.replace('@', '=')}-{key}"  # some systems allow no "@" in a file name
    receipt = read_receipt(folder)
    return PlannedStage(stage, key, folder, inputs, receipt, _state(folder, receipt))


def inputs_of(stage: Stage, receipts: Mapping[StageId, Receipt]) -> tuple[str, ...]:
    """Digests of the output of the stages that `stage` needs."""
    return tuple(receipts[need].digest for need in stage.needs)


def plan_run(recipe: Recipe, root: Path) -> RunPlan:
    """Plan a recipe and look up the state of every stage in the run at `root`."""
    receipts: dict[StageId, Receipt] = {}
    plan: RunPlan = []
    for stage in recipe_stages(recipe):
        if any(need not in receipts for need in stage.needs):
            plan.append((stage, None))
            continue
        planned = plan_stage(stage, root, receipts)
        if planned.receipt is not None and planned.state in COMPLETE:
            receipts[stage.id] = planned.receipt
        plan.append((stage, planned))
    return plan


def completed_stages(plan: RunPlan) -> dict[str, PlannedStage]:
    """The completed stages by name, in order."""
    return {
        stage.name: planned
        for stage, planned in plan
        if planned is not None and planned.receipt is not None and planned.state in COMPLETE
    }


def incomplete_stages(plan: RunPlan) -> list[str]:
    """Names of the stages that are not completed."""
    complete = completed_stages(plan)
    return [stage.name for stage, _ in plan if stage.name not in complete]


def main_arm(proof: Proof) -> str:
    """The arm whose model is analyzed in detail: `filtered`, or the first arm without it."""
    return "filtered" if "filtered" in proof.arms else proof.arms[0]


def _sources(proof: Proof) -> list[SourceStage]:
    """Real training data, held-out samples, calibration samples and OOD inputs."""
    sources: dict[StageId, Source] = {}
    if proof.real is not None and proof.needs_real:
        sources[REAL] = proof.real
    sources[HOLDOUT] = proof.holdout
    if proof.calibrate is not None:
        sources[CALIBRATE] = proof.calibrate
    sources |= {StageId(StageKind.OOD, nth=nth): source for nth, source in enumerate(proof.ood)}
    sources |= {StageId(StageKind.AUXILIARY_DATA, name): extra.holdout for name, extra in proof.also.items()}
    return [SourceStage(id_, (), 0, source) for id_, source in sources.items()]


def _samples(recipe: Recipe) -> list[Stage]:
    """Generating, scoring and filtering."""
    seed = recipe.seed
    generated = GenerateStage(GENERATE, models_for(recipe.generate), seed, recipe.generate)
    scored = [
        ScoreStage(score_id(column), (GENERATE, *models_for(scorer)), seed, GENERATE, scorer)
        for column, scorer in recipe.score.items()
    ]
    needs = (GENERATE, *(stage.id for stage in scored))
    return [generated, *scored, KeepStage(KEEP, needs, seed, recipe.keep, tuple(recipe.score))]


def _own_models(recipe: Recipe) -> list[TrainModelStage]:
    """The trainings of the recipe's own models."""
    trainings = []
    for name, model in recipe.models.items():
        source = GENERATE if model.data is None else StageId(StageKind.TEACH_DATA, name)
        data = (GENERATE, KEEP) if model.data is None else (source,)
        needs = (*data, *models_for(model.train))
        trainings.append(TrainModelStage(model_id(name), needs, recipe.seed, model, source))
    return trainings


def _topological_order(planned: Sequence[Stage]) -> list[Stage]:
    """Topological order that keeps the given order where the needs allow it."""
    waiting, ordered = list(planned), list[Stage]()
    while waiting:
        ids = {stage.id for stage in ordered}
        ready = next(stage for stage in waiting if ids.issuperset(stage.needs))
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _embedded(recipe: Recipe, proof: Proof, available: Sequence[StageId]) -> list[ScoreStage]:
    """Fingerprints of real samples, by the scorer of the fingerprints of generated samples."""
    if not proof.fingerprint:
        return []
    scorer = recipe.score[proof.fingerprint]
    sources = [source for source in (REAL, HOLDOUT) if source in available]
    return [ScoreStage(embed_id(source), (source,), recipe.seed, source, scorer) for source in sources]


def _leakage(proof: Proof, before: Sequence[StageId]) -> LeakageStage:
    """The comparison of every training set with the held-out samples."""
    embedded = {GENERATE: score_id(proof.fingerprint), REAL: embed_id(REAL)}
    inputs = (GENERATE, REAL, HOLDOUT, *embedded.values(), embed_id(HOLDOUT))
    needs = tuple(id_ for id_ in before if id_ in inputs or id_.kind is StageKind.TEACH_DATA)
    sets = [id_ for id_ in (GENERATE, REAL) if id_ in needs]
    sets += [id_ for id_ in needs if id_.kind is StageKind.TEACH_DATA]
    prints = {id_: stage if (stage := embedded.get(id_)) in needs else None for id_ in sets}
    return LeakageStage(LEAKAGE, needs, 0, proof.similarity, prints)


def _trained(recipe: Recipe, proof: Proof) -> list[Stage]:
    """Every training of every arm."""
    synthetic, both = (GENERATE, KEEP), (GENERATE, KEEP, REAL)
    data: Mapping[str, tuple[StageId, ...]] = {
        "unfiltered": (GENERATE,) if proof.equal == "steps" else synthetic,
        "real-few-shot": (REAL,),
        "real": both,
        "real+synthetic": both,
        "base": (),
        "human": (REAL,),
        "human+synthetic": both,
        "nearest-real": (*both, score_id(proof.fingerprint), embed_id(REAL)),
    }
    trainings: list[Stage] = []
    for arm, nth in proof.cells:
        trainer, id_, seed = recipe.trainer(arm), train_id(arm, nth), recipe.seed
        if is_curve(arm):
            trainings.append(TrainArmStage(id_, (REAL, *models_for(trainer)), seed, trainer, proof))
            continue
        name = proof.arm(arm)
        if name.kind == OWN:
            trainings.append(OwnModelStage(id_, (model_id(name.variant),), seed, trainer, proof, name.variant))
            continue
        kind = BaseModelStage if is_base(arm) else TrainArmStage
        needs = (*data.get(name.kind, synthetic), *models_for(trainer))
        trainings.append(kind(id_, needs, seed, trainer, proof))
    return trainings


def _evaluated(recipe: Recipe, proof: Proof, trained: tuple[StageId, ...]) -> list[Stage]:
    """The evaluation, the measures of its answers, the pairwise comparison and auxiliary evaluations."""
    needs = (HOLDOUT, *trained, *models_for(proof.evaluate))
    stages: list[Stage] = [EvaluateStage(EVALUATE, needs, 0, proof.evaluate, HOLDOUT, trained)]
    measures = {StageId(StageKind.MEASURE, name): scorer for name, scorer in proof.measures.items()}
    if proof.duel is not None:
        measures[StageId(StageKind.DUEL)] = proof.duel
    for id_, scorer in measures.items():
        needs = (HOLDOUT, EVALUATE, *models_for(scorer))
        stages.append(MeasureStage(id_, needs, recipe.seed, scorer, proof))
    for name, extra in proof.also.items():
        holdout = StageId(StageKind.AUXILIARY_DATA, name)
        needs = (holdout, *trained, *models_for(extra.evaluate))
        stages.append(EvaluateStage(StageId(StageKind.AUXILIARY, name), needs, 0, extra.evaluate, holdout, trained))
    return stages


def _reference(proof: Proof) -> list[Stage]:
    """The accuracy of the reference classifier, and its agreement with the trained classifiers."""
    if not proof.reference:
        return []
    # One trained on generated samples, and one that was not.
    arms = dict.fromkeys(arm for arm in ("real", main_arm(proof)) if arm in proof.arms)
    compared = tuple(map(train_id, arms))
    agreement = StageId(StageKind.AGREEMENT)
    return [
        ReferenceStage(StageId(StageKind.REFERENCE), (HOLDOUT,), 0, proof.evaluate, proof.reference),
        AgreementStage(agreement, (GENERATE, *compared), 0, proof.evaluate, compared),
    ]


def _ood(proof: Proof) -> list[Stage]:
    """OOD scores of the main arm's model."""
    if proof.ood_scores is None:
        return []
    ood = tuple(StageId(StageKind.OOD, nth=nth) for nth in range(len(proof.ood)))
    model = train_id(main_arm(proof))
    needs = (HOLDOUT, CALIBRATE, *ood, model)
    return [OodStage(StageId(StageKind.OOD_SCORES), needs, 0, proof.ood_scores, proof.reference, model, ood)]


def _state(folder: Path, receipt: Receipt | None) -> State:
    if receipt is None:
        return "begun" if folder.is_dir() and parts(folder) else "to do"
    if damaged_files(folder, receipt):
        return "damaged"
    return "retry" if receipt.counts.get("failed") else "done"
