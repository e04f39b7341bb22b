"""assay plan: the stages of a recipe, and which are done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.cli.options import JSON, OUT, QUICK, RECIPE, SET, run_folder, show, table

if TYPE_CHECKING:
    from assay.core.recipe import Recipe


@click.command()
@RECIPE
@QUICK
@SET
@OUT
@JSON
def command(recipe: str, quick: bool, changes: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Show what a run of RECIPE would do, stage by stage, and what is already there."""
    from assay.pipeline.recipe_file import load

    loaded = load(recipe, quick=quick, changes=changes)
    show_plan(loaded, run_folder(out, loaded.name), as_json)


def show_plan(recipe: Recipe, folder: Path, as_json: bool) -> None:
    """Prints the plan of a recipe in a folder that need not exist."""
    from assay.pipeline.plan import survey

    rows = []
    for stage, placed in survey(recipe, folder):
        state = "waits" if placed is None else placed.state
        use = stage.spec.get("use") or (stage.spec.get("train") or {}).get("use") or "filters"
        rows.append(
            {
                "stage": stage.name,
                "component": use,
                "needs": list(stage.needs),
                "key": placed.key if placed else None,
                "state": state,
            }
        )
    requested = len(recipe.generate.seeds())
    if as_json:
        show({"name": recipe.name, "folder": str(folder), "requested": requested, "stages": rows})
        return
    click.echo(f"{recipe.name}: {requested:,} samples to generate, in {folder}")
    table(
        ["stage", "component", "key", "state"],
        [[str(r["stage"]), str(r["component"]), str(r["key"] or "?"), str(r["state"])] for r in rows],
    )
    click.echo("A key that is '?' depends on what an earlier stage makes.")
