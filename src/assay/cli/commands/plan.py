"""assay plan: the stages of a recipe, which are done, and what asking would cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.terminal.money import too_little
from assay.terminal.options import JSON, OUT, QUICK, RECIPE, SET, run_folder, show, table

if TYPE_CHECKING:
    from assay.core.recipe import Recipe
    from assay.pipeline.cost import CostEstimate


@click.command()
@RECIPE
@QUICK
@SET
@OUT
@JSON
def command(recipe: str, quick: bool, changes: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Show what a run of RECIPE would do, stage by stage, and what is already there."""
    from assay.pipeline.recipe.codec import load

    loaded = load(recipe, quick=quick, changes=changes)
    show_plan(loaded, run_folder(out, loaded.name), as_json)


def show_plan(recipe: Recipe, folder: Path, as_json: bool) -> None:
    """Prints the plan of a recipe in a folder that need not exist."""
    from assay.models.remote.budget import Budget
    from assay.pipeline.cost import estimate_run
    from assay.pipeline.plan import plan_run
    from assay.store.run_folder import RunFolder

    rows, surveyed = [], plan_run(recipe, folder)
    for stage, placed in surveyed:
        state = "waits" if placed is None else placed.state
        rows.append(
            {
                "stage": stage.name,
                "component": ", ".join(_component_names(stage.spec)),
                "needs": list(map(str, stage.needs)),
                "key": placed.key if placed else None,
                "state": state,
            }
        )
    requested = len(recipe.generate.seeds())
    asked = estimate_run(recipe, surveyed)
    spent = Budget(recipe.budget, RunFolder(folder).ledger).account
    if as_json:
        money = {"asks": [one.data for one in asked], "budget": recipe.budget, "spent": spent.dollars}
        show({"name": recipe.name, "folder": str(folder), "requested": requested, "stages": rows, **money})
        return
    click.echo(f"{recipe.name}: {requested:,} samples to generate, in {folder}")
    table(
        ["stage", "component", "key", "state"],
        [[str(r["stage"]), str(r["component"]), str(r["key"] or "?"), str(r["state"])] for r in rows],
    )
    click.echo("A key that is '?' depends on what an earlier stage makes.")
    if asked or recipe.budget is not None:
        _print_cost(asked, recipe.budget, spent.dollars)


def _component_names(spec: object) -> Iterator[str]:
    """Names of the components in the spec of a stage, without those that they are made of."""
    if isinstance(spec, Mapping) and "use" in spec:
        yield str(spec["use"])
    elif isinstance(spec, Mapping):
        for value in spec.values():
            yield from _component_names(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _component_names(value)


def _print_cost(asked: Sequence[CostEstimate], budget: float | None, spent: float) -> None:
    from assay.analysis.format import dollars

    click.echo("")
    if asked:
        table(
            ["stage", "model", "to ask", "kept", "prompt tokens", "answer tokens", "costs"],
            [[one.stage, one.model, *_numbers(one)] for one in asked],
        )
        for note in dict.fromkeys(note for one in asked for note in one.notes):
            click.echo(note)
    if budget is None:
        click.echo("There is no budget: `--set budget=DOLLARS` bounds what it may cost.")
        return
    click.echo(f"Budget: {dollars(budget)}, of which {dollars(spent)} is spent.")
    if too_little(asked, budget, spent):
        click.secho("That may be too little: a run would stop where it is spent, and keep every answer.", fg="yellow")


def _numbers(one: CostEstimate) -> list[str]:
    from assay.analysis.format import UNKNOWN, dollars

    found = one.estimate
    if found is None:
        return [UNKNOWN] * 5
    # Of texts that are not there yet, even what is asked about them is a bound.
    about = "at most about" if one.assumed else "about"
    return [
        *(f"{number:,}" for number in (found.askings, found.kept)),
        f"{about} {found.prompt_tokens:,}",
        f"at most {found.answer_tokens:,}",
        dollars(found.dollars) if found.dollars is None or not one.assumed else f"at most {dollars(found.dollars)}",
    ]
