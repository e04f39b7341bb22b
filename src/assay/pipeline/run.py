"""Runs a recipe in its folder: every stage that is not done yet, in order, then nothing is left to do.

A stage is done when its receipt lies in its folder and every file is what the receipt says. Parts are written whole or
not at all, so a run that was killed goes on from its last part and ends with the same bytes.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import msgspec

from assay.core.arms import is_base
from assay.core.errors import ContractError
from assay.core.lab import Lab, Models
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Artifact, Engine, Scorer, StartsFromModel, Trainer, Work
from assay.core.sample import Failure, Made
from assay.core.score import Outcome
from assay.models.budget import Account, Budget
from assay.pipeline.arms import Material, nearest_of, samples_for, training_seed, usable
from assay.pipeline.costs import costs
from assay.pipeline.keep import decide, table_of
from assay.pipeline.leakage import leaks, read_leaks, refuse, write_leaks
from assay.pipeline.measure import MeasureArm, to_do
from assay.pipeline.measure import shards as measure_shards
from assay.pipeline.plan import SHARD, Placed, inputs_of, main_arm, place, pupils_of, sources_of, stages, survey
from assay.pipeline.preflight import Check, waiting
from assay.pipeline.progress import Reporter, Silent
from assay.pipeline.prove import EXPERT, MICROSECONDS, PARAMETERS, ShowStrangers, UnknownsShard
from assay.pipeline.quiet import hushed
from assay.pipeline.recipe_file import dump
from assay.pipeline.rounds import InRounds, planned
from assay.pipeline.score_whole import ScoreWhole, is_whole
from assay.pipeline.stages import (
    GeneratePart,
    ProveArm,
    ProveShard,
    ReadSource,
    ScorePart,
    ScoreShard,
    Tally,
    TrainArm,
    TrainShard,
    even_out,
    failed,
    made_before,
    part,
    parts,
    readable,
    samples_of,
)
from assay.store.atomic import disk_errors, write_bytes
from assay.store.images import StoredImages
from assay.store.keys import digest
from assay.store.receipts import NAME as RECEIPT
from assay.store.receipts import Receipt, damaged, files_of, write_receipt
from assay.store.rows import read_decisions, read_outcomes, read_results, write_decisions
from assay.store.run_folder import RunFolder

Job = TypeVar("Job")
Told = TypeVar("Told", bound=Tally)
SHOWN = ("requested", "made", "rows", "kept", "dropped", "exact", "near", "samples", "steps", "failed")
"""Counts as a line of progress shows them, in this order."""
PACKAGES = (
    "assay",
    "torch",
    "transformers",
    "openvino",
    "diffusers",
    "kornia",
    "numpy",
    "peft",
    "pillow",
    "pyarrow",
    "trl",
)
LANGUAGE = ("assay", "torch", "transformers", "openvino", "openvino-genai", "vllm", "lm_eval", "any-llm-sdk", "numpy")
"""What the answers of language models may depend on."""


@dataclass
class Runner:
    """One run: a recipe, its folder, and what to work with."""

    recipe: Recipe
    folder: RunFolder
    models: Models
    engine: Engine
    reporter: Reporter = field(default_factory=Silent)
    strict: bool = False
    """Whether a held-out sample that is trained on ends the run before anything is trained."""
    budget: Budget | None = None
    """Whose record says what a stage cost."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def run(self) -> Mapping[str, Receipt]:
        """Does what is not done yet; the receipt of every stage.

        Raises:
            UserError: Something the user can mend; what was finished stays.
        """
        # Absolute, because a worker may live in another folder.
        root = self.folder.path.absolute()
        with self.folder.lock(), hushed():
            self.folder.clean_temporaries()
            before = {stage.name: placed for stage, placed in survey(self.recipe, root)}
            self._check([name for name, placed in before.items() if placed is None or placed.state != "done"])
            self.folder.write_text("recipe.yaml", dump(self.recipe))
            for stage in stages(self.recipe):
                placed = before[stage.name]
                # Files were digested once; they are looked at again only where something before them was made anew.
                if placed is None or placed.inputs != inputs_of(stage, self.receipts):
                    placed = place(stage, root, self.receipts)
                self.folders[stage.name] = placed.folder
                self.receipts[stage.name] = self._done(placed) or self._do(placed)
                if stage.name == "leakage" and self.strict:
                    refuse(read_leaks(placed.folder))
        return self.receipts

    def _check(self, todo: Sequence[str]) -> None:
        """Lets the components of what is not done look at what they need, before the first of them makes anything."""
        checked = waiting(self.recipe, todo)
        if not checked:
            return
        self.reporter.begin("check", len(checked), 0)
        work = Check(self.models, self.recipe.seed, tuple(self.recipe.generate.seeds()))
        for nth, _ in enumerate(self.engine.map(work, checked)):
            self.reporter.advance(nth + 1, len(checked))
        self.reporter.end(f"{len(checked)} components have what they need")

    def _done(self, placed: Placed) -> Receipt | None:
        if placed.state != "done" or placed.receipt is None:
            return None
        self.reporter.begin(placed.stage.name, 1, 1)
        self.reporter.end(f"{_counted(placed.receipt.counts)}, done before")
        return placed.receipt

    def _do(self, placed: Placed) -> Receipt:
        self.folder.stage(placed.folder.name)
        self._discard_damaged(placed)
        started = time.monotonic()
        kind = placed.stage.name.split("-")[0]
        counts: Mapping[str, int] = getattr(self, f"_{kind}")(placed)
        files = files_of(placed.folder)
        paid = costs(self.budget.account if self.budget is not None else Account(), self.folder.stages())
        receipt = Receipt(
            stage=placed.stage.name,
            key=placed.key,
            spec=placed.stage.spec,
            inputs=placed.inputs,
            component_version=placed.stage.version,
            seed=placed.stage.seed,
            counts={**counts, **paid.counts},
            files=files,
            digest=digest(files),
            seconds=round(time.monotonic() - started, 3),
            tokens=paid.tokens,
            cost_usd=paid.cost_usd,
            environment=environment(),
        )
        write_receipt(placed.folder, receipt)
        self.reporter.end(_counted(counts))
        return receipt

    def _discard_damaged(self, placed: Placed) -> None:
        if placed.receipt is None:
            return
        for name in damaged(placed.folder, placed.receipt):
            self.reporter.say(f"{placed.folder.name}/{name} is not what its receipt says: it is made again.")
            with disk_errors(placed.folder / name):
                (placed.folder / name).unlink(missing_ok=True)
        with disk_errors(placed.folder / RECEIPT):
            (placed.folder / RECEIPT).unlink(missing_ok=True)

    def _generate(self, placed: Placed) -> dict[str, int]:
        seeds = self.recipe.generate.seeds()
        shards = planned(self.recipe.generate, seeds, placed.folder, SHARD)
        todo = [shard for shard in shards if _any_failed(made_before(shard))]
        there = len(seeds) - sum(len(shard.seeds) for shard in todo)
        work = GeneratePart(self.recipe.generate, self.models, self.recipe.seed)
        tallies = self._map(work, todo, placed, len(seeds), there)
        even_out([shard.target for shard in shards])
        lost = sum(tally.failed for tally in tallies)
        return {"requested": len(seeds), "made": len(seeds) - lost, "failed": lost, "fresh": _fresh(tallies)}

    def _score(self, placed: Placed) -> dict[str, int]:
        column = placed.stage.name.removeprefix("score-")
        shards = [ScoreShard(source, placed.folder / source.name) for source in parts(self.folders["generate"])]
        return self._outcomes(placed, self.recipe.score[column], shards, self.receipts["generate"].counts["made"])

    def _outcomes(self, placed: Placed, scorer: Scorer, shards: Sequence[ScoreShard], rows: int) -> dict[str, int]:
        before = {shard: readable(shard.target, read_outcomes) for shard in shards}
        todo = [shard for shard, old in before.items() if old is None or any(failed(outcome) for _, outcome in old)]
        if todo and is_whole(scorer):
            tallies = self._map(ScoreWhole(scorer, self.models, self.recipe.seed), [shards], placed, rows, 0)
            return {"rows": rows, "failed": sum(tally.failed for tally in tallies), "fresh": _fresh(tallies)}
        there = sum(len(old or ()) for shard, old in before.items() if shard not in todo)
        tallies = self._map(ScorePart(scorer, self.models, self.recipe.seed), todo, placed, rows, there)
        return {"rows": rows, "failed": sum(tally.failed for tally in tallies), "fresh": _fresh(tallies)}

    def _keep(self, placed: Placed) -> dict[str, int]:
        samples = samples_of(self.folders["generate"])
        self.reporter.begin("keep", len(samples), 0)
        columns = {column: self._column(column, [sample.id for sample in samples]) for column in self.recipe.score}
        rows = decide(self.recipe.keep, table_of(samples, columns))
        write_decisions(placed.folder / "decisions.parquet", rows)
        kept = sum(row.keep for row in rows)
        return {"rows": len(rows), "kept": kept, "dropped": len(rows) - kept}

    def _column(self, column: str, ids: Sequence[str]) -> Sequence[Outcome]:
        rows = outcomes_of(self.folders[f"score-{column}"])
        if [id_ for id_, _ in rows] != list(ids):
            raise ContractError(f"The outcomes of {column!r} are not of the samples that were made.")
        return [outcome for _, outcome in rows]

    @property
    def _proof(self) -> Proof:
        """The proof, for the stages that only a recipe with one has."""
        assert self.recipe.prove is not None, "the plan of a recipe without a proof has none of its stages"
        return self.recipe.prove

    def _source(self, placed: Placed) -> dict[str, int]:
        return self._read(placed, ReadSource(sources_of(self._proof)[placed.stage.name], self.models))

    _real = _holdout = _calibrate = _strangers = _source

    def _read(self, placed: Placed, work: ReadSource) -> dict[str, int]:
        tallies = self._map(work, [placed.folder], placed, 1, 0)
        return {"rows": sum(tally.rows for tally in tallies)}

    def _train(self, placed: Placed) -> dict[str, int]:
        arm, nth = str(placed.stage.spec["arm"]), int(placed.stage.spec["nth"])
        trainer = self.recipe.trainer(arm)
        if is_base(arm):
            return self._start(placed, trainer)
        chosen = samples_for(arm, self._material(placed.stage.needs, trainer), self._proof, self.recipe.seed)
        places = tuple(self.folders[name] for name in ("generate", "real") if name in placed.stage.needs)
        inline = getattr(self.engine, "workers", 0) == 1
        work = TrainArm(trainer, self.models, places, self.reporter.advance if inline else None)
        shard = TrainShard(placed.folder, tuple(chosen), training_seed(self.recipe.seed, nth))
        self.reporter.begin(placed.stage.name, 1, 0)
        (artifact,) = self.engine.map(work, [shard])
        write_artifact(placed.folder, artifact)
        return {"samples": len(chosen), "steps": int(artifact.facts.get("steps", 0))}

    def _start(self, placed: Placed, trainer: Trainer) -> dict[str, int]:
        """The model that the others start from, which is not trained."""
        lab = Lab(self.recipe.seed, self.models, StoredImages([]))
        assert isinstance(trainer, StartsFromModel), "checked when the recipe was read"
        self.reporter.begin(placed.stage.name, 1, 1)
        write_artifact(placed.folder, Artifact("", "text-model", "", {"steps": 0}, trainer.base(lab)))
        return {"samples": 0, "steps": 0}

    def _material(self, needs: Sequence[str], trainer: Trainer) -> Material:
        """What a training may choose from: of the stages it needs, and of no other."""
        generated = usable(trainer, samples_of(self.folders["generate"]) if "generate" in needs else [])
        ids = kept_ids(self.folders["keep"]) if "keep" in needs else set()
        kept = [sample for sample in generated if sample.id in ids]
        real = usable(trainer, samples_of(self.folders["real"]) if "real" in needs else [])
        if "embed-real" not in needs:
            return Material(generated, kept, real)
        column = next(name for name in needs if name.startswith("score-"))
        looks, theirs = (dict(outcomes_of(self.folders[name])) for name in (column, "embed-real"))
        return Material(generated, kept, real, nearest_of(kept, looks, real, theirs))

    def _embed(self, placed: Placed) -> dict[str, int]:
        source = placed.stage.name.removeprefix("embed-")
        scorer = self.recipe.score[self._proof.fingerprint]
        shards = [ScoreShard(path, placed.folder / path.name) for path in parts(self.folders[source])]
        return self._outcomes(placed, scorer, shards, self.receipts[source].counts["rows"])

    def _leakage(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        held_out = samples_of(self.folders["holdout"])
        looks = {"generate": f"score-{proof.fingerprint}", "real": "embed-real"}
        found = []
        self.reporter.begin("leakage", len(held_out), 0)
        for name, column in looks.items():
            if name not in placed.stage.needs:
                continue
            prints = None
            if column in placed.stage.needs:
                prints = dict(outcomes_of(self.folders[column])), dict(outcomes_of(self.folders["embed-holdout"]))
            found.append(leaks(name, samples_of(self.folders[name]), held_out, proof.similarity, prints))
        write_leaks(placed.folder, found)
        return {
            "rows": len(held_out),
            "exact": sum(one.exact for one in found),
            "near": sum(one.near or 0 for one in found),
        }

    def _prove(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        cells = proof.cells
        shards = [
            ProveShard(placed.folder / part(cell), arm, nth, read_artifact(self.folders[f"train-{arm}-{nth}"]))
            for cell, (arm, nth) in enumerate(cells)
        ]
        todo = [shard for shard in shards if readable(shard.target, read_results) is None]
        work = ProveArm(proof.evaluate, self.models, self.folders["holdout"])
        rows = self.receipts["holdout"].counts["rows"]
        tallies = self._map(work, todo, placed, rows * len(cells), rows * (len(cells) - len(todo)))
        return {"rows": rows * len(cells), "fresh": _fresh(tallies)}

    def _measure(self, placed: Placed) -> dict[str, int]:
        return self._answers(placed, self._proof.measures[placed.stage.name.removeprefix("measure-")], duel=False)

    def _duel(self, placed: Placed) -> dict[str, int]:
        assert self._proof.duel is not None, "only a recipe with prove.duel has a stage of that name"
        return self._answers(placed, self._proof.duel, duel=True)

    def _answers(self, placed: Placed, scorer: Scorer, *, duel: bool) -> dict[str, int]:
        """What a scorer says of every model's answers."""
        shards = measure_shards(self._proof, placed.folder, self.folders["prove"], duel=duel)
        todo = to_do(shards)
        rows = self.receipts["holdout"].counts["rows"]
        work = MeasureArm(scorer, self.models, self.recipe.seed, self.folders["holdout"])
        tallies = self._map(work, todo, placed, rows * len(shards), rows * (len(shards) - len(todo)))
        return {
            "rows": rows * len(shards),
            "failed": sum(tally.failed for tally in tallies),
            "fresh": _fresh(tallies),
        }

    def _expert(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        shard = ProveShard(placed.folder / part(0), EXPERT, 0, Artifact(proof.expert, "image-classifier", ""))
        rows = self.receipts["holdout"].counts["rows"]
        self._map(ProveArm(proof.evaluate, self.models, self.folders["holdout"]), [shard], placed, rows, 0)
        return {"rows": rows}

    def _agree(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        arms = pupils_of(proof)
        shards = [
            ProveShard(placed.folder / part(nth), arm, 0, read_artifact(self.folders[f"train-{arm}-0"]))
            for nth, arm in enumerate(arms)
        ]
        rows = self.receipts["generate"].counts["made"] * len(arms)
        self._map(ProveArm(proof.evaluate, self.models, self.folders["generate"]), shards, placed, rows, 0)
        return {"rows": rows}

    def _unknowns(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        assert proof.unknowns is not None, "only a recipe with prove.unknowns has a stage of that name"
        arm = main_arm(proof)
        models = {arm: read_artifact(self.folders[f"train-{arm}-0"])}
        if proof.expert:
            models[EXPERT] = Artifact(proof.expert, "image-classifier", "")
        sources = sources_of(proof)
        strangers = {name: self.folders[name] for name in sources if name.startswith("strangers-")}
        work = ShowStrangers(proof.unknowns, self.models, self.folders["calibrate"], self.folders["holdout"], strangers)
        shards = [
            UnknownsShard(placed.folder / part(nth), name, artifact)
            for nth, (name, artifact) in enumerate(models.items())
        ]
        each = sum(self.receipts[name].counts["rows"] for name in sources if name != "real")
        said = self._map(work, shards, placed, each * len(shards), 0)
        # Seconds belong into a receipt: a part has the same bytes at every run.
        speeds = {f"{MICROSECONDS}{shard.arm}": one.microseconds for shard, one in zip(shards, said, strict=True)}
        sizes = {f"{PARAMETERS}{shard.arm}": one.parameters for shard, one in zip(shards, said, strict=True)}
        return {"rows": sum(one.rows for one in said), **sizes, **speeds}

    def _map(self, work: Work[Job, Told], jobs: Sequence[Job], placed: Placed, total: int, there: int) -> list[Told]:
        self.reporter.begin(placed.stage.name, total, there)
        tallies = []
        for tally in InRounds(self.engine).map(work, jobs):
            tallies.append(tally)
            there += tally.rows
            self.reporter.advance(there, total)
        return tallies


def kept_ids(folder: Path) -> set[str]:
    """Ids of the samples that every filter kept."""
    return {row.id for row in read_decisions(folder / "decisions.parquet") if row.keep}


def outcomes_of(folder: Path) -> list[tuple[str, Outcome]]:
    """Id and outcome of every sample that was scored in a stage's folder, in order."""
    return [row for path in parts(folder) for row in read_outcomes(path)]


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Notes in `folder` what a trainer left there."""
    write_bytes(folder / "artifact.json", msgspec.json.format(msgspec.json.encode(artifact, order="sorted")))


def read_artifact(folder: Path) -> Artifact:
    """What a trainer left in `folder`, its path made absolute."""
    artifact = msgspec.json.decode((folder / "artifact.json").read_bytes(), type=Artifact)
    return replace(artifact, path=artifact.reference or str((folder / artifact.path).absolute()))


def environment(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """What a result may depend on besides its inputs: versions and the machine."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cpus": str(os.cpu_count())}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _any_failed(rows: Sequence[Made] | None) -> bool:
    """Whether a part is not there yet, or holds failures, which are tried again."""
    return rows is None or any(isinstance(row, Failure) for row in rows)


def _fresh(tallies: Sequence[Tally]) -> int:
    return sum(tally.fresh for tally in tallies)


def _counted(counts: Mapping[str, int]) -> str:
    shown = (name for name in SHOWN if name in counts and (counts[name] or name != "failed"))
    return ", ".join(f"{counts[name]:,} {name}" for name in shown)
