"""A recipe as stages with keys: where each lies, what it waits for, and whether it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assay.core.arms import OWN, ArmName, is_curve
from assay.core.recipe import OwnModel, Proof, Recipe
from assay.core.roles import ListsInputs, Scorer, SelfSeeding, Source
from assay.pipeline.recipe.spec import describe, version_of
from assay.pipeline.recipe.trained import check_names, named
from assay.pipeline.stages.shards import parts
from assay.store.receipts import Receipt, damaged_files, read_receipt, stage_key

SHARD = 64
"""Samples of a part that is generated: what a kill -9 can lose."""

MODEL, TAUGHT, ASKED, BESIDE = "model-", "taught-", "asked-", "also-"
"""Begin the names of stages: one of the recipe's own models, what it learns from, what is asked beside, and that."""

State = Literal["done", "retry", "damaged", "begun", "to do", "waits"]


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe in one run folder."""

    name: str
    """real, holdout, calibrate, ood-N, taught-MODEL, asked-NAME, model-MODEL, generate, score-COLUMN, keep,
    embed-real, embed-holdout, leakage, train-ARM-N, prove, measure-NAME, duel, beside-NAME, expert, agree or
    unknowns."""
    needs: tuple[str, ...]
    """Names of the stages it reads."""
    spec: Mapping[str, Any]
    version: int
    seed: int


@dataclass(frozen=True)
class Placed:
    """A stage whose inputs are known: so its key is, and its folder."""

    stage: Stage
    key: str
    folder: Path
    inputs: tuple[str, ...]
    receipt: Receipt | None
    state: State


def stages(recipe: Recipe) -> list[Stage]:
    """Every stage of a recipe, each after those it needs; real data first, because what cannot be had is soon said.

    Raises:
        RecipeError: A component names a model of the recipe's that there is none of.
    """
    check_names(recipe)
    generate = recipe.generate
    made = [Stage("generate", models_for(generate), _now(generate), version_of(generate), recipe.seed)]
    for column, scorer in recipe.score.items():
        needs = ("generate", *models_for(scorer))
        made.append(Stage(f"score-{column}", needs, _now(scorer), version_of(scorer), recipe.seed))
    filters = {"filters": [describe(rule) | {"version": version_of(rule)} for rule in recipe.keep]}
    made.append(Stage("keep", tuple(stage.name for stage in made), filters, 1, recipe.seed))
    taught = [Stage(name, (), _now(one), version_of(one), 0) for name, one in taught_of(recipe).items()]
    own = [_own_model(name, model, recipe.seed) for name, model in recipe.models.items()]
    if recipe.prove is None:
        return _in_order([*taught, *own, *made])
    read = [Stage(name, (), _now(one), version_of(one), 0) for name, one in sources_of(recipe.prove).items()]
    embedded = _embedded(recipe, recipe.prove)
    before = [*read, *taught, *made, *embedded]
    leakage = _leakage(recipe.prove, [stage.name for stage in before])
    return _in_order([*read, *taught, *own, *made, *embedded, leakage, *_proof(recipe, recipe.prove)])


def _own_model(name: str, model: OwnModel, seed: int) -> Stage:
    needs = ("generate", "keep") if model.data is None else (f"{TAUGHT}{name}",)
    spec = {"train": describe(model.train)}
    return Stage(f"{MODEL}{name}", (*needs, *models_for(model.train)), spec, version_of(model.train), seed)


def _in_order(found: Sequence[Stage]) -> list[Stage]:
    """Each after those it needs, and otherwise as they were."""
    waiting, ordered = list(found), list[Stage]()
    while waiting:
        there = {stage.name for stage in ordered}
        ready = next(stage for stage in waiting if there.issuperset(stage.needs))
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def models_for(component: object) -> tuple[str, ...]:
    """The stages of the recipe's own models that a component needs."""
    return tuple(f"{MODEL}{name}" for name in named(component))


def place(stage: Stage, root: Path, receipts: Mapping[str, Receipt]) -> Placed:
    """Where `stage` lies in the run at `root`, given the receipts of the stages it needs."""
    inputs = inputs_of(stage, receipts)
    key = stage_key(dict(stage.spec), inputs, stage.version, stage.seed)
    folder = root / f"{stage.name.replace('@', '=')}-{key}"  # "@" is no character of a file's name on every system
    receipt = read_receipt(folder)
    return Placed(stage, key, folder, inputs, receipt, _state(folder, receipt))


def inputs_of(stage: Stage, receipts: Mapping[str, Receipt]) -> tuple[str, ...]:
    """Digests of what `stage` reads."""
    return tuple(receipts[name].digest for name in stage.needs)


def survey(recipe: Recipe, root: Path) -> list[tuple[Stage, Placed | None]]:
    """Every stage, and where it lies as far as that is known: None where it waits for an earlier one."""
    receipts: dict[str, Receipt] = {}
    found: list[tuple[Stage, Placed | None]] = []
    for stage in stages(recipe):
        if any(name not in receipts for name in stage.needs):
            found.append((stage, None))
            continue
        placed = place(stage, root, receipts)
        if placed.receipt is not None and placed.state in ("done", "retry"):
            receipts[stage.name] = placed.receipt
        found.append((stage, placed))
    return found


def sources_of(proof: Proof) -> dict[str, Source]:
    """The real data and the strangers that a proof reads, by the name of the stage that reads them."""
    found: dict[str, Source] = {}
    if proof.real is not None and proof.needs_real:
        found["real"] = proof.real
    found["holdout"] = proof.holdout
    if proof.calibrate is not None:
        found["calibrate"] = proof.calibrate
    found |= {f"ood-{nth}": source for nth, source in enumerate(proof.ood)}
    return found | {f"{ASKED}{name}": beside.holdout for name, beside in proof.also.items()}


def taught_of(recipe: Recipe) -> dict[str, Source]:
    """What the recipe's own models learn from, where that is not what it makes, by the name of the stage."""
    return {f"{TAUGHT}{name}": own.data for name, own in recipe.models.items() if own.data is not None}


def _now(component: Source | Scorer | SelfSeeding) -> dict[str, Any]:
    """A component, and what lies there now where it can tell: its spec alone says where it reads, not what."""
    return describe(component) | ({"listing": component.listing()} if isinstance(component, ListsInputs) else {})


def _embedded(recipe: Recipe, proof: Proof) -> list[Stage]:
    """The fingerprints of real samples, by the scorer that gave those of the generated ones."""
    if not proof.fingerprint:
        return []
    scorer = recipe.score[proof.fingerprint]
    return [
        Stage(f"embed-{name}", (name,), _now(scorer), version_of(scorer), recipe.seed)
        for name in ("real", "holdout")
        if name in sources_of(proof)
    ]


def _leakage(proof: Proof, before: Sequence[str]) -> Stage:
    """Before anything is trained: what the training sets share with the held-out samples."""
    wanted = ("generate", "real", "holdout", f"score-{proof.fingerprint}", "embed-real", "embed-holdout")
    needs = tuple(name for name in before if name in wanted or name.startswith(TAUGHT))
    return Stage("leakage", needs, {"similarity": proof.similarity}, 1, 0)


def _proof(recipe: Recipe, proof: Proof) -> list[Stage]:
    trained = _trained(recipe, proof)
    arms = tuple(stage.name for stage in trained)
    needs = ("holdout", *arms, *models_for(proof.evaluate))
    proved = Stage("prove", needs, describe(proof.evaluate), version_of(proof.evaluate), 0)
    return [*trained, proved, *_asked_too(recipe, proof, arms), *_expert(proof), *_unknowns(proof)]


def _trained(recipe: Recipe, proof: Proof) -> list[Stage]:
    """Every arm, as often as it is trained."""
    looks = ("generate", "keep", "real", f"score-{proof.fingerprint}", "embed-real")
    needs_of: Mapping[str, tuple[str, ...]] = {
        "unfiltered": ("generate",) if proof.equal == "steps" else ("generate", "keep"),
        "real-few-shot": ("real",),
        "real": ("generate", "keep", "real"),
        "real+synthetic": ("generate", "keep", "real"),
        "base": (),
        OWN: (),
        "human": ("real",),
        "human+synthetic": ("generate", "keep", "real"),
        "nearest-real": looks,
    }
    found = []
    for arm, nth in proof.cells:
        few = {"few": proof.few} if arm in ("real-few-shot", "real+synthetic") else {}
        trainer = recipe.trainer(arm)
        spec = {"train": describe(trainer), "arm": arm, "nth": nth, "equal": proof.equal, **few}
        said = ArmName("real") if (curve := is_curve(arm)) else proof.arm(arm)
        needs = ("real",) if curve else needs_of.get(said.kind, ("generate", "keep"))
        own = (f"{MODEL}{said.variant}",) if said.kind == OWN else models_for(trainer)
        found.append(Stage(f"train-{arm}-{nth}", (*needs, *own), spec, version_of(trainer), recipe.seed))
    return found


def _asked_too(recipe: Recipe, proof: Proof, arms: tuple[str, ...]) -> list[Stage]:
    """What is looked at in the answers of the proof, and what the arms are asked beside it."""
    asked = {f"measure-{name}": scorer for name, scorer in proof.measures.items()}
    if proof.duel is not None:
        asked["duel"] = proof.duel
    found = []
    for name, scorer in asked.items():
        against = {"against": proof.opponent} if name == "duel" else {}
        needs = ("holdout", "prove", *models_for(scorer))
        found.append(Stage(name, needs, _now(scorer) | against, version_of(scorer), recipe.seed))
    for name, beside in proof.also.items():
        evaluate = beside.evaluate
        needs = (f"{ASKED}{name}", *arms, *models_for(evaluate))
        found.append(Stage(f"{BESIDE}{name}", needs, describe(evaluate), version_of(evaluate), 0))
    return found


def _expert(proof: Proof) -> list[Stage]:
    """How good the expert is, and how often its pupils agree with it; nothing without one."""
    if not proof.reference:
        return []
    version, described = version_of(proof.evaluate), describe(proof.evaluate)
    pupils = tuple(f"train-{arm}-0" for arm in pupils_of(proof))
    return [
        Stage("reference", ("holdout",), {"model": proof.reference, "evaluate": described}, version, 0),
        Stage("agree", ("generate", *pupils), {"evaluate": described}, version, 0),
    ]


def _unknowns(proof: Proof) -> list[Stage]:
    if proof.ood_scores is None:
        return []
    read = [name for name in sources_of(proof) if name != "real" and not name.startswith(ASKED)]
    spec = {"ood_scores": describe(proof.ood_scores), "reference": proof.reference}
    needs = (*read, f"train-{main_arm(proof)}-0")
    return [Stage("ood_scores", needs, spec, version_of(proof.ood_scores), 0)]


def main_arm(proof: Proof) -> str:
    """The arm whose model is looked at closely: `filtered`, or the first where there is none."""
    return "filtered" if "filtered" in proof.arms else proof.arms[0]


def pupils_of(proof: Proof) -> tuple[str, ...]:
    """The arms whose models are asked about the generated samples: one that learned from them, and one that did not."""
    return tuple(dict.fromkeys(arm for arm in ("real", main_arm(proof)) if arm in proof.arms))


def _state(folder: Path, receipt: Receipt | None) -> State:
    if receipt is None:
        return "begun" if folder.is_dir() and parts(folder) else "to do"
    if damaged_files(folder, receipt):
        return "damaged"
    return "retry" if receipt.counts.get("failed") else "done"
