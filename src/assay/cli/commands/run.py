"""assay run: generate, score, filter, train, evaluate, report."""

from __future__ import annotations

from pathlib import Path

import click

from assay.terminal.options import JSON, OUT, QUICK, RECIPE, SET, run_folder, show


@click.command()
@RECIPE
@QUICK
@SET
@OUT
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Engine that runs the shards.",
)
@click.option("--strict", is_flag=True, help="Stop if held-out data leaks into the training data.")
@click.option("--dry-run", is_flag=True, help="Print the plan without running it.")
@JSON
def command(
    recipe: str,
    quick: bool,
    changes: tuple[str, ...],
    out: Path | None,
    engine: str,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run RECIPE, a built-in name or a .yaml file.

    Run an interrupted command again to resume.
    """
    from assay.pipeline.recipe.codec import load

    # Before the imports of report and statistics, so that errors in a recipe are reported immediately.
    loaded = load(recipe, quick=quick, changes=changes)
    folder = run_folder(out, loaded.name)
    if dry_run:
        from assay.cli.commands.plan import show_plan

        show_plan(loaded, folder, as_json)
        return
    from assay.cli.commands.summary import print_summary
    from assay.report.api import run

    if not as_json:
        click.echo(f"{loaded.name}: {loaded.question}", err=True)
    result = run(loaded, folder, engine=engine, strict=strict, watch=not as_json)
    if as_json:
        show(result.results)
    else:
        print_summary(result)
