"""Runs a recipe in its folder: every stage that is not complete, in order.

A stage is complete when its folder holds a receipt and every file has the digest in the receipt. Parts are written
atomically, so an interrupted run resumes from its last part and produces the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from assay.core.lab import Models
from assay.core.recipe import Recipe
from assay.core.roles import Engine
from assay.models.remote.budget import Account, Budget
from assay.pipeline.cost.costs import costs
from assay.pipeline.environment import environment
from assay.pipeline.plan import Placed, State, inputs_of, place, survey
from assay.pipeline.preflight import Check, to_check
from assay.pipeline.progress import Reporter, Silent
from assay.pipeline.quiet import hushed
from assay.pipeline.recipe.codec import dump
from assay.pipeline.stages.context import RunContext
from assay.pipeline.stages.stage import Stage
from assay.store.atomic import disk_errors
from assay.store.receipts import RECEIPT_FILE as RECEIPT
from assay.store.receipts import Receipt, damaged_files, digest, file_digests, write_receipt
from assay.store.run_folder import RunFolder

SHOWN = ("requested", "made", "rows", "kept", "dropped", "exact", "near", "samples", "steps", "unusable", "failed")
"""Counts on a line of progress, in this order."""


@dataclass(frozen=True)
class Runner:
    """One run of a recipe in a folder."""

    recipe: Recipe
    folder: RunFolder
    models: Models
    engine: Engine
    reporter: Reporter = field(default_factory=Silent)
    strict: bool = False
    """Whether the run stops before training if held-out samples are among the training samples."""
    budget: Budget | None = None
    """Budget whose account holds the cost of each stage."""

    def run(self) -> dict[str, Placed]:
        """Run every stage that is not complete.

        Returns:
            Every stage by name, in order, with its receipt.

        Raises:
            UserError: The user can correct the cause; completed stages stay.
        """
        context = RunContext(self.recipe, self.models, self.engine, self.reporter, self.strict)
        root = self.folder.path.absolute()  # a worker may have another working directory
        with self.folder.lock(), hushed():
            self.folder.clean_temporaries()
            surveyed = survey(self.recipe, root)
            self._check([stage for stage, placed in surveyed if placed is None or placed.state != "done"])
            self.folder.write_text("recipe.yaml", dump(self.recipe))
            return {stage.name: self._complete(stage, placed, root, context) for stage, placed in surveyed}

    def _complete(self, stage: Stage, placed: Placed | None, root: Path, context: RunContext) -> Placed:
        """Run a stage unless it is complete."""
        # The survey hashed the files; only a changed input requires another look.
        if placed is None or placed.inputs != inputs_of(stage, context.receipts):
            placed = place(stage, root, context.receipts)
        context.folders[stage.id] = placed.folder
        receipt = self._receipt_of(placed) or self._execute(placed, context)
        context.receipts[stage.id] = receipt
        stage.finish(context, placed.folder)
        state: State = "retry" if receipt.counts.get("failed") else "done"
        return Placed(stage, placed.key, placed.folder, placed.inputs, receipt, state)

    def _check(self, todo: Sequence[Stage]) -> None:
        """Preflight: check the components of the stages in `todo` before the first of them runs."""
        components = to_check(self.recipe, todo, self.models)
        if not components:
            return
        self.reporter.begin("check", len(components), 0)
        work = Check(self.models, self.recipe.seed, tuple(self.recipe.generate.seeds()))
        for nth, _ in enumerate(self.engine.map(work, components)):
            self.reporter.advance(nth + 1, len(components))
        self.reporter.end(f"Preflight: {len(components)} components ready")

    def _receipt_of(self, placed: Placed) -> Receipt | None:
        """The receipt of a stage that an earlier run completed."""
        if placed.state != "done" or placed.receipt is None:
            return None
        self.reporter.begin(placed.stage.name, 1, 1)
        self.reporter.end(f"{_counts_text(placed.receipt.counts)}, done before")
        return placed.receipt

    def _execute(self, placed: Placed, context: RunContext) -> Receipt:
        """Run a stage and write its receipt."""
        stage = placed.stage
        self.folder.stage(placed.folder.name)
        self._discard_damaged(placed)
        started = time.monotonic()
        counts = stage.run(context, placed.folder)
        files = file_digests(placed.folder)
        paid = costs(self.budget.account if self.budget is not None else Account(), self.folder.stages())
        receipt = Receipt(
            stage=stage.name,
            key=placed.key,
            spec=stage.spec,
            inputs=placed.inputs,
            component_version=stage.version,
            seed=stage.seed,
            counts={**counts, **paid.counts},
            files=files,
            digest=digest(files),
            seconds=round(time.monotonic() - started, 3),
            tokens=paid.tokens,
            cost_usd=paid.cost_usd,
            environment=environment(),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        written = write_receipt(placed.folder, receipt)
        self.reporter.end(_counts_text(counts))
        return written

    def _discard_damaged(self, placed: Placed) -> None:
        """Delete the damaged files of a stage and its receipt."""
        if placed.receipt is None:
            return
        for name in damaged_files(placed.folder, placed.receipt):
            self.reporter.say(f"{placed.folder.name}/{name} differs from its receipt and is made again.")
            with disk_errors(placed.folder / name):
                (placed.folder / name).unlink(missing_ok=True)
        with disk_errors(placed.folder / RECEIPT):
            (placed.folder / RECEIPT).unlink(missing_ok=True)


def _counts_text(counts: Mapping[str, int]) -> str:
    names = (name for name in SHOWN if name in counts and (counts[name] or name != "failed"))
    return ", ".join(f"{counts[name]:,} {name}" for name in names)
