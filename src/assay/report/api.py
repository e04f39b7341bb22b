"""Run a recipe and draw its report: the Python API behind `assay run` and `assay report`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.analysis.finished_run import FinishedRun
from assay.analysis.report_data import ReportData
from assay.analysis.results import to_results
from assay.core.errors import StoreError, UserError, did_you_mean
from assay.core.recipe import Recipe
from assay.engines import ENGINES
from assay.models.open_models import OpenModels
from assay.models.remote.budget import Budget
from assay.pipeline.lineage.explain import read_run
from assay.pipeline.plan import PlannedStage, completed_stages, incomplete_stages
from assay.pipeline.progress import SilentReporter, terminal_reporter
from assay.pipeline.recipe.codec import load
from assay.pipeline.runner import Runner
from assay.report.page import render
from assay.report.sections import analyze_run
from assay.store.run_folder import RunFolder


@dataclass(frozen=True)
class Done:
    """Files and results of a finished run."""

    folder: Path
    page: Path
    """The HTML report."""
    facts: ReportData
    results: Mapping[str, Any]
    """Content of results.json."""


def load_recipe(reference: str, *, quick: bool = False, changes: Sequence[str] = ()) -> Recipe:
    """Load a shipped recipe by name, or a recipe from a .yaml file.

    Args:
        reference: Name or path.
        quick: Whether to apply the recipe's `quick` values.
        changes: Overrides as "key.path=value".

    Raises:
        RecipeError: There is no such recipe, or it holds a value that cannot be used.
    """
    return load(reference, quick=quick, changes=changes)


def run(
    recipe: Recipe | str,
    folder: Path | str | None = None,
    *,
    engine: str = "local",
    watch: bool = False,
    strict: bool = False,
) -> Done:
    """Run a recipe, or resume it, and write its report.

    Args:
        recipe: A recipe, or the name or path of one.
        folder: Run folder; `runs/NAME` by default.
        engine: Where shards run: "local" or "ray".
        watch: Whether to print progress.
        strict: Whether to stop before training if held-out samples are among the training samples.

    Raises:
        UserError: The user can correct the cause; completed stages stay.
    """
    if engine not in ENGINES:
        raise UserError(f"There is no engine {engine!r}.", hint=did_you_mean(engine, ENGINES))
    loaded = load(recipe) if isinstance(recipe, str) else recipe
    place = RunFolder.open(Path(folder) if folder is not None else Path("runs") / loaded.name, create=True)
    budget = Budget(loaded.budget, place.ledger)
    with terminal_reporter() if watch else nullcontext(SilentReporter()) as reporter:
        stages = Runner(loaded, place, OpenModels(budget=budget), ENGINES[engine](), reporter, strict, budget).run()
    return _report(place, loaded, stages)


def report(folder: Path | str) -> Done:
    """Write the report of the finished run in `folder` again.

    Raises:
        StoreError: The folder holds no run, or the run is not finished.
    """
    place = RunFolder.open(Path(folder), create=False)
    recipe, plan = read_run(place.path)
    if incomplete := incomplete_stages(plan):
        raise StoreError(
            f"The run in {place.path} is not finished: {incomplete[0]} is not done.", hint="Run it again to resume it."
        )
    return _report(place, recipe, completed_stages(plan))


def _report(place: RunFolder, recipe: Recipe, stages: Mapping[str, PlannedStage]) -> Done:
    """Analyze a run whose stages are all completed, and write results.json and report.html."""
    command = shlex.join(["assay", "run", str(place.path / "recipe.yaml"), "--out", str(place.path)])
    report_data = analyze_run(FinishedRun(place.path, recipe, stages, command))
    results = to_results(report_data)
    place.write_json("results.json", results)
    page = place.write_text("report.html", render(report_data))
    return Done(place.path, page, report_data, results)
