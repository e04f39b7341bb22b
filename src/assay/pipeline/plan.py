"""A recipe as stages with keys: where each lies, what it waits for, and whether it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assay.core.arms import CURVE, arm_name
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Scorer, SelfSeeding, Source
from assay.pipeline.spec import describe, version_of
from assay.pipeline.stages import parts
from assay.store.keys import stage_key
from assay.store.receipts import Receipt, damaged, read_receipt

SHARD = 64
"""Samples of a part that is generated: what a kill -9 can lose."""

State = Literal["done", "retry", "damaged", "begun", "to do", "waits"]


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe in one run folder."""

    name: str
    """real, holdout, calibrate, strangers-N, generate, score-COLUMN, keep, embed-real, embed-holdout, leakage,
    train-ARM-N, prove, measure-NAME, duel, expert, agree or unknowns."""
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
    """Every stage of a recipe, each after those it needs; real data first, because what cannot be had is soon said."""
    made = [Stage("generate", (), _now(recipe.generate), version_of(recipe.generate), recipe.seed)]
    for column, scorer in recipe.score.items():
        made.append(Stage(f"score-{column}", ("generate",), _now(scorer), version_of(scorer), recipe.seed))
    filters = {"filters": [describe(rule) | {"version": version_of(rule)} for rule in recipe.keep]}
    made.append(Stage("keep", tuple(stage.name for stage in made), filters, 1, recipe.seed))
    if recipe.prove is None:
        return made
    read = [Stage(name, (), _now(one), version_of(one), 0) for name, one in sources_of(recipe.prove).items()]
    embedded = _embedded(recipe, recipe.prove)
    before = [*read, *made, *embedded]
    return [*before, _leakage(recipe.prove, [stage.name for stage in before]), *_proof(recipe, recipe.prove)]


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
    return found | {f"strangers-{nth}": source for nth, source in enumerate(proof.strangers)}


def _now(component: Source | Scorer | SelfSeeding) -> dict[str, Any]:
    """A component, and what lies there now where it can tell: its spec alone says where it reads, not what."""
    listing = getattr(component, "listing", None)
    return describe(component) | ({"listing": listing()} if listing is not None else {})


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
    needs = tuple(name for name in before if name in wanted)
    return Stage("leakage", needs, {"similarity": proof.similarity}, 1, 0)


def _proof(recipe: Recipe, proof: Proof) -> list[Stage]:
    looks = ("generate", "keep", "real", f"score-{proof.fingerprint}", "embed-real")
    needs_of: Mapping[str, tuple[str, ...]] = {
        "unfiltered": ("generate",) if proof.equal == "steps" else ("generate", "keep"),
        "few-real": ("real",),
        "real": ("generate", "keep", "real"),
        "mixed": ("generate", "keep", "real"),
        "base": (),
        "human": ("real",),
        "human+synthetic": ("generate", "keep", "real"),
        "nearest-real": looks,
    }
    trained = []
    for arm, nth in proof.cells:
        few = {"few": proof.few} if arm in ("few-real", "mixed") else {}
        trainer = recipe.trainer(arm)
        spec = {"train": describe(trainer), "arm": arm, "nth": nth, "equal": proof.equal, **few}
        curve = arm.startswith(CURVE)
        needs = ("real",) if curve else needs_of.get(arm_name(arm).kind, ("generate", "keep"))
        trained.append(Stage(f"train-{arm}-{nth}", needs, spec, version_of(trainer), recipe.seed))
    needs = ("holdout", *(stage.name for stage in trained))
    proved = [Stage("prove", needs, describe(proof.evaluate), version_of(proof.evaluate), 0)]
    asked = {f"measure-{name}": scorer for name, scorer in proof.measures.items()}
    if proof.duel is not None:
        asked["duel"] = proof.duel
    for name, scorer in asked.items():
        against = {"against": proof.opponent} if name == "duel" else {}
        proved.append(Stage(name, ("holdout", "prove"), _now(scorer) | against, version_of(scorer), recipe.seed))
    if proof.expert:
        spec = {"model": proof.expert, "evaluate": describe(proof.evaluate)}
        proved.append(Stage("expert", ("holdout",), spec, version_of(proof.evaluate), 0))
        pupils = tuple(f"train-{arm}-0" for arm in pupils_of(proof))
        spec = {"evaluate": describe(proof.evaluate)}
        proved.append(Stage("agree", ("generate", *pupils), spec, version_of(proof.evaluate), 0))
    if proof.unknowns is not None:
        read = [name for name in sources_of(proof) if name != "real"]
        spec = {"unknowns": describe(proof.unknowns), "expert": proof.expert}
        shown = f"train-{main_arm(proof)}-0"
        proved.append(Stage("unknowns", (*read, shown), spec, version_of(proof.unknowns), 0))
    return [*trained, *proved]


def main_arm(proof: Proof) -> str:
    """The arm whose model is looked at closely: `filtered`, or the first where there is none."""
    return "filtered" if "filtered" in proof.arms else proof.arms[0]


def pupils_of(proof: Proof) -> tuple[str, ...]:
    """The arms whose models are asked about the generated samples: one that learnt from them, and one that did not."""
    return tuple(dict.fromkeys(arm for arm in ("real", main_arm(proof)) if arm in proof.arms))


def _state(folder: Path, receipt: Receipt | None) -> State:
    if receipt is None:
        return "begun" if folder.is_dir() and parts(folder) else "to do"
    if damaged(folder, receipt):
        return "damaged"
    return "retry" if receipt.counts.get("failed") else "done"
