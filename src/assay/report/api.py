"""What a user calls: run a recipe and have its report, from Python or from the command line."""

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
from assay.pipeline.lineage.why import finished
from assay.pipeline.plan import stages
from assay.pipeline.progress import Silent, watched
from assay.pipeline.recipe.codec import load
from assay.pipeline.runner import Runner
from assay.report.page import render
from assay.report.sections import analyze_run
from assay.store.run_folder import RunFolder


@dataclass(frozen=True)
class Done:
    """A finished run."""

    folder: Path
    page: Path
    """Its report: open it in a browser."""
    facts: ReportData
    results: Mapping[str, Any]
    """What lies in results.json."""


def load_recipe(reference: str, *, quick: bool = False, changes: Sequence[str] = ()) -> Recipe:
    """The shipped recipe of that name, or the recipe in that .yaml file; `changes` are "key.path=value".

    Raises:
        RecipeError: There is none, or it says something that cannot be built.
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
    """Runs a recipe in `folder` (`runs/NAME` where left out), goes on where it was stopped, and draws its report.

    With `strict` it goes no further than to a held-out sample that is also trained on, or nearly.

    Raises:
        UserError: Something that the caller can mend; what was finished stays.
    """
    if engine not in ENGINES:
        raise UserError(f"There is no engine {engine!r}.", hint=did_you_mean(engine, ENGINES))
    whole = load(recipe) if isinstance(recipe, str) else recipe
    place = RunFolder.open(Path(folder) if folder is not None else Path("runs") / whole.name, create=True)
    budget = Budget(whole.budget, place.ledger)
    with watched() if watch else nullcontext(Silent()) as reporter:
        Runner(whole, place, OpenModels(budget=budget), ENGINES[engine](), reporter, strict, budget).run()
    return report(place.path)


def report(folder: Path | str) -> Done:
    """Draws the report of the finished run in `folder`.

    Raises:
        StoreError: It is not a run, or not finished.
    """
    place = RunFolder.open(Path(folder), create=False)
    recipe, done = finished(place.path)
    missing = [stage.name for stage in stages(recipe) if stage.name not in done]
    if missing:
        raise StoreError(
            f"The run in {place.path} is not finished: {missing[0]} is not done.", hint="Run it again: it goes on."
        )
    command = shlex.join(["assay", "run", str(place.path / "recipe.yaml"), "--out", str(place.path)])
    facts = analyze_run(FinishedRun(place.path, recipe, done, command))
    results = to_results(facts)
    place.write_json("results.json", results)
    page = place.write_text("report.html", render(facts))
    return Done(place.path, page, facts, results)
