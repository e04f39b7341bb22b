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
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.recipe import Recipe
from assay.core.roles import ChecksPreconditions, Engine, Generator, Scorer, Trainer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.remote.budget import Account, Budget
from assay.pipeline.cost import paid_cost
from assay.pipeline.environment import environment
from assay.pipeline.plan import PlannedStage, State, inputs_of, plan_run, plan_stage
from assay.pipeline.progress import Reporter, SilentReporter, quiet_libraries
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.references import referenced_models, replace_references, root_models
from assay.pipeline.stages.context import RunContext
from assay.pipeline.stages.stage import Stage
from assay.store.atomic import disk_errors
from assay.store.images import StoredImages
from assay.store.receipts import RECEIPT_FILE as RECEIPT
from assay.store.receipts import Receipt, damaged_files, digest, file_digests, write_receipt
from assay.store.run_folder import RunFolder

PROGRESS_COUNTS = (
    "requested",
    "made",
    "rows",
    "kept",
    "dropped",
    "exact",
    "near",
    "samples",
    "steps",
    "unusable",
    "failed",
)
"""Counts in the progress note of a stage, in this order."""
RANDOM = "random"
"""Value of a trainer's `start` without a checkpoint."""


@dataclass(frozen=True)
class Check:
    """Preflight check of one component in the process that will use it, which keeps the models that it opens.

    A generator or scorer is called with no samples, which opens its model. Any component may offer `check(seeds, lab)`,
    which raises a UserError for a problem it can foresee, such as labels that its model does not know; `seeds` are
    those of the recipe's generator.
    """

    models: Models
    seed: int
    seeds: tuple[Sample, ...]

    def __call__(self, component: Any, /) -> None:
        lab = Lab(self.seed, self.models, StoredImages([]))
        if isinstance(component, Generator):
            component.generate([], lab)
        elif isinstance(component, Scorer):
            component.score([], lab)
        # A trainer cannot be called without samples, so only its start is located.
        start = getattr(component, "start", RANDOM)
        if isinstance(component, Trainer) and start != RANDOM:
            locate(start)
        if isinstance(component, ChecksPreconditions):
            component.check(self.seeds, lab)


def components_to_check(recipe: Recipe, todo: Sequence[Stage], models: Models) -> list[Any]:
    """The components of the stages in `todo`, each once.

    One of the recipe's own models is replaced by the model that it is trained from. A component is skipped where there
    is no such replacement, for example for a reward model.
    """
    roots = root_models(recipe, Lab(recipe.seed, models, StoredImages([])))
    components: list[Any] = []
    for component in (component for stage in todo for component in stage.components):
        if set(referenced_models(component)) <= set(roots) and component not in components:
            components.append(component)
    return [replace_references(component, roots) for component in components]


@dataclass(frozen=True)
class Runner:
    """One run of a recipe in a folder."""

    recipe: Recipe
    folder: RunFolder
    models: Models
    engine: Engine
    reporter: Reporter = field(default_factory=SilentReporter)
    strict: bool = False
    """Whether the run stops before training if held-out samples are among the training samples."""
    budget: Budget | None = None
    """Budget whose account holds the cost of each stage."""

    def run(self) -> dict[str, PlannedStage]:
        """Run every stage that is not complete.

        Returns:
            Every stage by name, in order, with its receipt.

        Raises:
            UserError: The user can correct the cause; completed stages stay.
        """
        context = RunContext(self.recipe, self.models, self.engine, self.reporter, self.strict)
        root = self.folder.path.absolute()  # a worker may have another working directory
        with self.folder.lock(), quiet_libraries():
            self.folder.clean_temporaries()
            plan = plan_run(self.recipe, root)
            self._check([stage for stage, planned in plan if planned is None or planned.state != "done"])
            self.folder.write_text("recipe.yaml", dump(self.recipe))
            return {stage.name: self._complete(stage, planned, root, context) for stage, planned in plan}

    def _complete(self, stage: Stage, planned: PlannedStage | None, root: Path, context: RunContext) -> PlannedStage:
        """Run a stage unless it is complete."""
        # Planning has hashed the files already; this is repeated only if an input has changed.
        if planned is None or planned.inputs != inputs_of(stage, context.receipts):
            planned = plan_stage(stage, root, context.receipts)
        context.folders[stage.id] = planned.folder
        receipt = self._receipt_of(planned) or self._execute(planned, context)
        context.receipts[stage.id] = receipt
        stage.finish(context, planned.folder)
        state: State = "retry" if receipt.counts.get("failed") else "done"
        return PlannedStage(stage, planned.key, planned.folder, planned.inputs, receipt, state)

    def _check(self, todo: Sequence[Stage]) -> None:
        """Preflight: check the components of the stages in `todo` before the first of them runs."""
        components = components_to_check(self.recipe, todo, self.models)
        if not components:
            return
        self.reporter.begin("check", len(components), 0)
        work = Check(self.models, self.recipe.seed, tuple(self.recipe.generate.seeds()))
        for nth, _ in enumerate(self.engine.map(work, components)):
            self.reporter.advance(nth + 1, len(components))
        self.reporter.end(f"Preflight: {len(components)} components ready")

    def _receipt_of(self, planned: PlannedStage) -> Receipt | None:
        """The receipt of a stage that an earlier run completed."""
        if planned.state != "done" or planned.receipt is None:
            return None
        self.reporter.begin(planned.stage.name, 1, 1)
        self.reporter.end(f"{_counts_text(planned.receipt.counts)}, already complete")
        return planned.receipt

    def _execute(self, planned: PlannedStage, context: RunContext) -> Receipt:
        """Run a stage and write its receipt."""
        stage = planned.stage
        self.folder.stage(planned.folder.name)
        self._discard_damaged(planned)
        started = time.monotonic()
        counts = stage.run(context, planned.folder)
        files = file_digests(planned.folder)
        paid = paid_cost(self.budget.account if self.budget is not None else Account(), self.folder.stages())
        receipt = Receipt(
            stage=stage.name,
            key=planned.key,
            spec=stage.spec,
            inputs=planned.inputs,
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
        receipt = write_receipt(planned.folder, receipt)
        self.reporter.end(_counts_text(counts))
        return receipt

    def _discard_damaged(self, planned: PlannedStage) -> None:
        """Delete the damaged files of a stage and its receipt."""
        if planned.receipt is None:
            return
        for name in damaged_files(planned.folder, planned.receipt):
            self.reporter.warn(f"{planned.folder.name}/{name} differs from its receipt; it is created again.")
            with disk_errors(planned.folder / name):
                (planned.folder / name).unlink(missing_ok=True)
        with disk_errors(planned.folder / RECEIPT):
            (planned.folder / RECEIPT).unlink(missing_ok=True)


def _counts_text(counts: Mapping[str, int]) -> str:
    names = (name for name in PROGRESS_COUNTS if name in counts and (counts[name] or name != "failed"))
    return ", ".join(f"{counts[name]:,} {name}" for name in names)
