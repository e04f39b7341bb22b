"""assay plan: stages of a recipe, their states and the estimated cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.terminal.money import is_insufficient
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
    """Show the stages of RECIPE, their states and the cost."""
    from assay.pipeline.recipe.codec import load

    loaded = load(recipe, quick=quick, changes=changes)
    show_plan(loaded, run_folder(out, loaded.name), as_json)


def show_plan(recipe: Recipe, folder: Path, as_json: bool) -> None:
    """Print the plan of a recipe in a folder, which may not exist."""
    from assay.models.remote.budget import Budget
    from assay.pipeline.cost import estimate_run
    from assay.pipeline.plan import plan_run
    from assay.store.run_folder import RunFolder

    rows, stages = [], plan_run(recipe, folder)
    for stage, placed in stages:
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
    estimates = estimate_run(recipe, stages)
    spent = Budget(recipe.budget, RunFolder(folder).ledger).account
    if as_json:
        money = {"asks": [estimate.data for estimate in estimates], "budget": recipe.budget, "spent": spent.dollars}
        show({"name": recipe.name, "folder": str(folder), "requested": requested, "stages": rows, **money})
        return
    click.echo(f"{recipe.name}: {requested:,} samples to generate, in {folder}")
    table(
        ["stage", "component", "key", "state"],
        [[str(r["stage"]), str(r["component"]), str(r["key"] or "?"), str(r["state"])] for r in rows],
    )
    click.echo("A key '?' depends on the output of an earlier stage.")
    if estimates or recipe.budget is not None:
        _print_cost(estimates, recipe.budget, spent.dollars)


def _component_names(spec: object) -> Iterator[str]:
    """Names of the outermost components in the spec of a stage."""
    if isinstance(spec, Mapping) and "use" in spec:
        yield str(spec["use"])
    elif isinstance(spec, Mapping):
        for value in spec.values():
            yield from _component_names(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _component_names(value)


def _print_cost(estimates: Sequence[CostEstimate], budget: float | None, spent: float) -> None:
    from assay.analysis.format import dollars

    click.echo("")
    if estimates:
        table(
            ["stage", "model", "requests", "cached", "prompt tokens", "answer tokens", "cost"],
            [[estimate.stage, estimate.model, *_numbers(estimate)] for estimate in estimates],
        )
        for note in dict.fromkeys(note for estimate in estimates for note in estimate.notes):
            click.echo(note)
    if budget is None:
        click.echo("No budget. Limit the cost with --set budget=DOLLARS.")
        return
    click.echo(f"Budget: {dollars(budget)}, {dollars(spent)} spent.")
    if is_insufficient(estimates, budget, spent):
        click.secho("The budget may be insufficient: a run stops when it is spent, and keeps all answers.", fg="yellow")


def _numbers(row: CostEstimate) -> list[str]:
    from assay.analysis.format import UNKNOWN, dollars

    estimate = row.estimate
    if estimate is None:
        return [UNKNOWN] * 5
    # For texts that are not generated yet, the prompt tokens are an upper bound too.
    about = "at most about" if row.assumed else "about"
    return [
        *(f"{number:,}" for number in (estimate.askings, estimate.kept)),
        f"{about} {estimate.prompt_tokens:,}",
        f"at most {estimate.answer_tokens:,}",
        dollars(estimate.dollars)
        if estimate.dollars is None or not row.assumed
        else f"at most {dollars(estimate.dollars)}",
    ]
