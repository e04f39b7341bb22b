"""From a run's folder to the card of the data set that it exports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from assay.analysis.finished_run import Finished
from assay.analysis.funnel import funnel
from assay.core.provenance import Used
from assay.core.recipe import Recipe
from assay.pipeline.lineage.models_used import data_of, models_in, used
from assay.pipeline.lineage.why import finished
from assay.pipeline.plan import Placed, stages
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import describe
from assay.store.export.card import Card


def card_of(run: Path, *, license_: str = "unknown", languages: Sequence[str] = ()) -> Card:
    """What is known of the samples that the run in the folder kept.

    Raises:
        StoreError: It is no run, or has not come so far.
    """
    recipe, done = finished(run)
    counted = funnel(Finished(run, recipe, done))
    return Card(
        name=recipe.name,
        question=recipe.question,
        makers=tuple(_makers(Finished(run, recipe, done))),
        models=tuple(_models(recipe)),
        data=tuple(data_of(recipe.generate)),
        requested=counted.requested,
        dropped=counted.dropped,
        failed=counted.failed,
        proof=_proof(Finished(run, recipe, done), done),
        version=version("assay"),
        recipe=dump(recipe),
        license=license_,
        languages=tuple(languages),
    )


def _models(recipe: Recipe) -> Iterator[Used]:
    """Every model that made the samples or looked at them, with its licence."""
    parts = {"making": recipe.generate} | {f"scoring ({name})": scorer for name, scorer in recipe.score.items()}
    for what, component in parts.items():
        for part, model in models_in(describe(component)):
            yield used(recipe, model, f"{what}: {part}" if part else what)


def _makers(run: Finished) -> list[tuple[str, str]]:
    """The generator and every scorer, each with its models and those of its parts."""
    parts = {"made the samples": run.recipe.generate}
    found = [(f"scored them ({name})", scorer) for name, scorer in run.recipe.score.items()]
    rows = []
    for what, part in [*parts.items(), *found]:
        models = list(models_in(describe(part)))
        own = [model for name, model in models if not name]
        rows.append((what, ", with ".join([type(part).__name__, *own])))
        rows += [(f"{what}: {name}", model) for name, model in models if name]
    return rows


def _proof(run: Finished, done: dict[str, Placed]) -> str:
    """The answer on the page of the run, where it was drawn for just this recipe and every stage is done."""
    if run.recipe.prove is None:
        return ""
    unfinished = "The run that should prove it is not finished, so whether it helps is not known yet."
    if any(stage.name not in done for stage in stages(run.recipe)):
        return unfinished
    try:
        found = json.loads((run.folder / "results.json").read_text(encoding="utf-8"))
        current = found["origin"]["recipe"] == dump(run.recipe)
        return f"{found['question']} {found['answer']}" if current else unfinished
    except (OSError, ValueError, KeyError, TypeError):
        return unfinished
