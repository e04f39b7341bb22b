"""Dataset card of the samples that a run kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from assay.analysis.finished_run import FinishedRun
from assay.analysis.samples.funnel import funnel
from assay.core.provenance import Used
from assay.core.recipe import Recipe
from assay.pipeline.lineage.explain import read_run
from assay.pipeline.lineage.models_used import data_licenses, models_in, used_model
from assay.pipeline.plan import completed_stages, incomplete_stages
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import describe
from assay.store.export.cards import DatasetCard


def card_of(run: Path, *, license_: str = "unknown", languages: Sequence[str] = ()) -> DatasetCard:
    """Build the dataset card of the samples that a run kept.

    Raises:
        StoreError: The folder holds no run, or the run has not filtered its samples yet.
    """
    recipe, plan = read_run(run)
    finished_run = FinishedRun(run, recipe, completed_stages(plan))
    counts = finished_run.once(funnel)
    return DatasetCard(
        name=recipe.name,
        question=recipe.question,
        makers=tuple(_makers(finished_run)),
        models=tuple(_models(recipe)),
        data=tuple(data_licenses(recipe.generate)),
        requested=counts.requested,
        dropped=counts.dropped,
        failed=counts.failed,
        proof=_proof(finished_run, complete=not incomplete_stages(plan)),
        version=version("assay"),
        recipe=dump(recipe),
        license=license_,
        languages=tuple(languages),
    )


def _models(recipe: Recipe) -> Iterator[Used]:
    """Yield every model that generated or scored the samples, with its license."""
    for role, component in _components(recipe).items():
        for part, model in models_in(describe(component)):
            yield used_model(recipe, model, f"{role}: {part}" if part else role)


def _components(recipe: Recipe) -> dict[str, object]:
    """Return the generator and the scorers by role."""
    return {"generator": recipe.generate} | {f"scorer ({name})": scorer for name, scorer in recipe.score.items()}


def _makers(run: FinishedRun) -> list[tuple[str, str]]:
    """Return the generator and every scorer, each with its models and those of its parts."""
    rows = []
    for role, component in _components(run.recipe).items():
        models = list(models_in(describe(component)))
        unnamed = [model for part, model in models if not part]
        rows.append((role, ", with ".join([type(component).__name__, *unnamed])))
        rows += [(f"{role}: {part}", model) for part, model in models if part]
    return rows


def _proof(run: FinishedRun, *, complete: bool) -> str:
    """Return the answer of the run's report, if every stage is done and the report is of the same recipe."""
    if run.recipe.prove is None:
        return ""
    unfinished = "The proof of this run is not finished; its result is not known yet."
    if not complete:
        return unfinished
    try:
        results = json.loads((run.folder / "results.json").read_text(encoding="utf-8"))
        current = results["reproduction"]["recipe"] == dump(run.recipe)
        return f"{results['question']} {results['answer']}" if current else unfinished
    except (OSError, ValueError, KeyError, TypeError):
        return unfinished
