"""Runs a recipe in its folder: every stage that is not done yet, in order, then nothing is left to do.

A stage is done when its receipt lies in its folder and every file is what the receipt says. Parts are written whole or
not at all, so a run that was killed goes on from its last part and ends with the same bytes.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import msgspec

from assay.core.errors import ContractError
from assay.core.lab import Models
from assay.core.recipe import Recipe
from assay.core.roles import Artifact, Engine, Work
from assay.core.sample import Failure, Made
from assay.core.score import Outcome
from assay.pipeline.arms import samples_for, training_seed
from assay.pipeline.keep import decide, table_of
from assay.pipeline.plan import SHARD, Placed, place, stages
from assay.pipeline.progress import Reporter, Silent
from assay.pipeline.recipe_file import dump
from assay.pipeline.stages import (
    GeneratePart,
    GenerateShard,
    ProveArm,
    ProveShard,
    ReadSource,
    ScorePart,
    ScoreShard,
    Tally,
    TrainArm,
    TrainShard,
    part,
    parts,
    samples_of,
    whole_or_gone,
)
from assay.store.atomic import write_bytes
from assay.store.keys import digest
from assay.store.receipts import NAME as RECEIPT
from assay.store.receipts import Receipt, damaged, files_of, write_receipt
from assay.store.rows import read_decisions, read_outcomes, write_decisions
from assay.store.run_folder import RunFolder
from assay.store.shards import read_made

Job = TypeVar("Job")
PACKAGES = ("assay", "torch", "transformers", "diffusers", "kornia", "numpy", "pillow", "pyarrow")


@dataclass
class Runner:
    """One run: a recipe, its folder, and what to work with."""

    recipe: Recipe
    folder: RunFolder
    models: Models
    engine: Engine
    reporter: Reporter = field(default_factory=Silent)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def run(self) -> Mapping[str, Receipt]:
        """Does what is not done yet; the receipt of every stage.

        Raises:
            UserError: Something the user can mend; what was finished stays.
        """
        with self.folder.lock():
            self.folder.clean_temporaries()
            self.folder.write_text("recipe.yaml", dump(self.recipe))
            for stage in stages(self.recipe):
                placed = place(stage, self.folder.path, self.receipts)
                self.folders[stage.name] = placed.folder
                self.receipts[stage.name] = self._done(placed) or self._do(placed)
        return self.receipts

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
        self.reporter.end(_counted(counts))
        files = files_of(placed.folder)
        receipt = Receipt(
            stage=placed.stage.name,
            key=placed.key,
            spec=placed.stage.spec,
            inputs=placed.inputs,
            component_version=placed.stage.version,
            seed=placed.stage.seed,
            counts=counts,
            files=files,
            digest=digest(files),
            seconds=round(time.monotonic() - started, 3),
            environment=environment(),
        )
        write_receipt(placed.folder, receipt)
        return receipt

    def _discard_damaged(self, placed: Placed) -> None:
        if placed.receipt is None:
            return
        for name in damaged(placed.folder, placed.receipt):
            self.reporter.say(f"{placed.folder.name}/{name} is not what its receipt says: it is made again.")
            (placed.folder / name).unlink(missing_ok=True)
        (placed.folder / RECEIPT).unlink(missing_ok=True)

    def _generate(self, placed: Placed) -> dict[str, int]:
        seeds = self.recipe.generate.seeds()
        shards = [
            GenerateShard(placed.folder / part(start // SHARD), tuple(seeds[start : start + SHARD]))
            for start in range(0, len(seeds), SHARD)
        ]
        todo = [shard for shard in shards if not self._complete(shard.target)]
        there = len(seeds) - sum(len(shard.seeds) for shard in todo)
        work = GeneratePart(self.recipe.generate, self.models, self.recipe.seed)
        tallies = self._map(work, todo, placed, len(seeds), there)
        failed = sum(_failures(shard.target) for shard in shards)
        return {"requested": len(seeds), "made": len(seeds) - failed, "failed": failed, "fresh": _fresh(tallies)}

    def _score(self, placed: Placed) -> dict[str, int]:
        column = placed.stage.name.removeprefix("score-")
        sources = parts(self.folders["generate"])
        shards = [ScoreShard(source, placed.folder / source.name) for source in sources]
        todo = [shard for shard in shards if not self._complete(shard.target)]
        rows = self.receipts["generate"].counts["made"]
        there = rows - min(rows, SHARD * len(todo))
        work = ScorePart(self.recipe.score[column], self.models, self.recipe.seed)
        tallies = self._map(work, todo, placed, rows, there)
        failed = sum(_failures(shard.target) for shard in shards)
        return {"rows": rows, "failed": failed, "fresh": _fresh(tallies)}

    def _keep(self, placed: Placed) -> dict[str, int]:
        samples = samples_of(self.folders["generate"])
        self.reporter.begin("keep", len(samples), 0)
        columns = {column: self._column(column, [sample.id for sample in samples]) for column in self.recipe.score}
        rows = decide(self.recipe.keep, table_of(samples, columns))
        write_decisions(placed.folder / "decisions.parquet", rows)
        kept = sum(row.keep for row in rows)
        return {"rows": len(rows), "kept": kept, "dropped": len(rows) - kept}

    def _column(self, column: str, ids: Sequence[str]) -> Sequence[Outcome]:
        rows = [row for path in parts(self.folders[f"score-{column}"]) for row in read_outcomes(path)]
        if [id_ for id_, _ in rows] != list(ids):
            raise ContractError(f"The outcomes of {column!r} are not of the samples that were made.")
        return [outcome for _, outcome in rows]

    def _real(self, placed: Placed) -> dict[str, int]:
        source = self.recipe.prove.real if self.recipe.prove else None
        assert source is not None, "only a recipe with prove.real has a stage 'real'"
        return self._read(placed, ReadSource(source, self.models))

    def _holdout(self, placed: Placed) -> dict[str, int]:
        assert self.recipe.prove is not None, "only a recipe that proves has a stage 'holdout'"
        return self._read(placed, ReadSource(self.recipe.prove.holdout, self.models))

    def _read(self, placed: Placed, work: ReadSource) -> dict[str, int]:
        tallies = self._map(work, [placed.folder], placed, 1, 0)
        return {"rows": sum(tally.rows for tally in tallies)}

    def _train(self, placed: Placed) -> dict[str, int]:
        arm, nth = str(placed.stage.spec["arm"]), int(placed.stage.spec["nth"])
        generated = samples_of(self.folders["generate"])
        kept = [sample for sample in generated if sample.id in kept_ids(self.folders["keep"])]
        real = samples_of(self.folders["real"]) if arm == "real" else []
        chosen = samples_for(arm, generated, kept, real, self.recipe.seed)
        assert self.recipe.train is not None, "checked when the recipe was read"
        places = (self.folders["generate"], *((self.folders["real"],) if arm == "real" else ()))
        inline = getattr(self.engine, "workers", 0) == 1
        work = TrainArm(self.recipe.train, self.models, places, self.reporter.advance if inline else None)
        shard = TrainShard(placed.folder, tuple(chosen), training_seed(self.recipe.seed, nth))
        self.reporter.begin(placed.stage.name, 1, 0)
        (artifact,) = self.engine.map(work, [shard])
        write_artifact(placed.folder, artifact)
        return {"samples": len(chosen), "steps": int(artifact.facts.get("steps", 0))}

    def _prove(self, placed: Placed) -> dict[str, int]:
        proof = self.recipe.prove
        assert proof is not None, "only a recipe that proves has a stage 'prove'"
        cells = [(arm, nth) for arm in proof.arms for nth in range(proof.seeds)]
        shards = [
            ProveShard(placed.folder / part(cell), arm, nth, read_artifact(self.folders[f"train-{arm}-{nth}"]))
            for cell, (arm, nth) in enumerate(cells)
        ]
        todo = [shard for shard in shards if not whole_or_gone(shard.target)]
        work = ProveArm(proof.evaluate, self.models, self.folders["holdout"])
        rows = self.receipts["holdout"].counts["rows"]
        tallies = self._map(work, todo, placed, rows * len(cells), rows * (len(cells) - len(todo)))
        return {"rows": rows * len(cells), "fresh": _fresh(tallies)}

    def _map(self, work: Work[Job, Tally], jobs: Sequence[Job], placed: Placed, total: int, there: int) -> list[Tally]:
        self.reporter.begin(placed.stage.name, total, there)
        tallies = []
        for tally in self.engine.map(work, jobs):
            tallies.append(tally)
            there += tally.rows
            self.reporter.advance(there, total)
        return tallies

    def _complete(self, target: Path) -> bool:
        """Whether a part is there and none of its rows failed; those that failed are tried again."""
        return whole_or_gone(target) and not _failures(target)


def kept_ids(folder: Path) -> set[str]:
    """Ids of the samples that every filter kept."""
    return {row.id for row in read_decisions(folder / "decisions.parquet") if row.keep}


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Notes in `folder` what a trainer left there."""
    write_bytes(folder / "artifact.json", msgspec.json.format(msgspec.json.encode(artifact, order="sorted")))


def read_artifact(folder: Path) -> Artifact:
    """What a trainer left in `folder`, its path made absolute."""
    artifact = msgspec.json.decode((folder / "artifact.json").read_bytes(), type=Artifact)
    return Artifact(str((folder / artifact.path).absolute()), artifact.kind, artifact.digest, artifact.facts)


def environment() -> dict[str, str]:
    """What a result may depend on besides its inputs: versions and the machine."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cpus": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _failures(path: Path) -> int:
    return sum(_failed_rows(path))


def _failed_rows(path: Path) -> Iterator[bool]:
    if path.parent.name.startswith("score-"):
        return ((getattr(outcome, "cause", "") == "failed") for _, outcome in read_outcomes(path))
    rows: list[Made] = read_made(path)
    return (isinstance(row, Failure) for row in rows)


def _fresh(tallies: Sequence[Tally]) -> int:
    return sum(tally.fresh for tally in tallies)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count:,} {name}" for name, count in counts.items() if name != "fresh" and (count or name != "failed")
    )
