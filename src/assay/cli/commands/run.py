"""assay run: generate, score, keep, train, prove, report."""

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
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where shards run."
)
@click.option("--strict", is_flag=True, help="Refuse to go on where the test is not clean.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
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
    """Run RECIPE: the name of a shipped one, or a .yaml file. Goes on where it was stopped."""
    from assay.pipeline.recipe.codec import load

    # Before the report and its statistics are imported: what is wrong with a recipe is said at once.
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
    done = run(loaded, folder, engine=engine, strict=strict, watch=not as_json)
    if as_json:
        show(done.results)
    else:
        print_summary(done)
