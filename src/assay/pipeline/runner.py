"""Runs a recipe in its folder: every stage that is not done yet, in order, then nothing is left to do.

A stage is done when its receipt lies in its folder and every file is what the receipt says. Parts are written whole or
not at all, so a run that was killed goes on from its last part and ends with the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.core.errors import ContractError
from assay.core.sample import Failure, Made
from assay.core.score import Outcome
from assay.models.remote.budget import Account
from assay.pipeline.cost.costs import costs
from assay.pipeline.environment import environment
from assay.pipeline.plan import SHARD, Placed, inputs_of, place, sources_of, stages, survey, taught_of
from assay.pipeline.preflight import Check, waiting
from assay.pipeline.quiet import hushed
from assay.pipeline.recipe.codec import dump
from assay.pipeline.stages.keep import decide, table_of
from assay.pipeline.stages.leakage import leaks, read_leaks, refuse, write_leaks
from assay.pipeline.stages.prove import Proving
from assay.pipeline.stages.rounds import planned
from assay.pipeline.stages.shards import GeneratePart, ReadSource, ScoreShard, even_out, made_before, parts, samples_of
from assay.pipeline.stages.train import Training
from assay.pipeline.stages.workshop import fresh, outcomes_of
from assay.store.atomic import disk_errors
from assay.store.receipts import RECEIPT_FILE as RECEIPT
from assay.store.receipts import Receipt, damaged_files, digest, file_digests, write_receipt
from assay.store.rows import write_decisions

SHOWN = ("requested", "made", "rows", "kept", "dropped", "exact", "near", "samples", "steps", "unusable", "failed")
"""Counts as a line of progress shows them, in this order."""


@dataclass
class Runner(Training, Proving):
    """One run: a recipe, its folder, and what to work with."""

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
                self._describe(placed)
                if stage.name == "leakage" and self.strict:
                    refuse(read_leaks(placed.folder))
        return self.receipts

    def _check(self, todo: Sequence[str]) -> None:
        """Lets the components of what is not done look at what they need, before the first of them makes anything."""
        checked = waiting(self.recipe, todo, self.models)
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
        files = file_digests(placed.folder)
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
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_receipt(placed.folder, receipt)
        self.reporter.end(_counted(counts))
        return receipt

    def _discard_damaged(self, placed: Placed) -> None:
        if placed.receipt is None:
            return
        for name in damaged_files(placed.folder, placed.receipt):
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
        work = GeneratePart(self._with_models(self.recipe.generate), self.models, self.recipe.seed)
        tallies = self._map(work, todo, placed, len(seeds), there)
        even_out([shard.target for shard in shards])
        lost = sum(tally.failed for tally in tallies)
        return {"requested": len(seeds), "made": len(seeds) - lost, "failed": lost, "fresh": fresh(tallies)}

    def _score(self, placed: Placed) -> dict[str, int]:
        column = placed.stage.name.removeprefix("score-")
        shards = [ScoreShard(source, placed.folder / source.name) for source in parts(self.folders["generate"])]
        scorer = self._with_models(self.recipe.score[column])
        return self._outcomes(placed, scorer, shards, self.receipts["generate"].counts["made"])

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

    def _source(self, placed: Placed) -> dict[str, int]:
        return self._read(placed, ReadSource(sources_of(self._proof)[placed.stage.name], self.models))

    _real = _holdout = _calibrate = _ood = _asked = _source

    def _taught(self, placed: Placed) -> dict[str, int]:
        return self._read(placed, ReadSource(taught_of(self.recipe)[placed.stage.name], self.models))

    def _embed(self, placed: Placed) -> dict[str, int]:
        source = placed.stage.name.removeprefix("embed-")
        scorer = self._with_models(self.recipe.score[self._proof.fingerprint])
        shards = [ScoreShard(path, placed.folder / path.name) for path in parts(self.folders[source])]
        return self._outcomes(placed, scorer, shards, self.receipts[source].counts["rows"])

    def _leakage(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        held_out = samples_of(self.folders["holdout"])
        looks = {"generate": f"score-{proof.fingerprint}", "real": "embed-real"} | dict.fromkeys(
            taught_of(self.recipe), ""
        )
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


def _any_failed(rows: Sequence[Made] | None) -> bool:
    """Whether a part is not there yet, or holds failures, which are tried again."""
    return rows is None or any(isinstance(row, Failure) for row in rows)


def _counted(counts: Mapping[str, int]) -> str:
    shown = (name for name in SHOWN if name in counts and (counts[name] or name != "failed"))
    return ", ".join(f"{counts[name]:,} {name}" for name in shown)
