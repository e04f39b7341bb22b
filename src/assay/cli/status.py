"""assay status: how far a run is."""

from __future__ import annotations

from pathlib import Path

import click

from assay.cli.options import JSON, RUN, show, table


@click.command()
@RUN
@JSON
def command(run: Path, as_json: bool) -> None:
    """Show how far the run in the folder RUN is: its stages, counts and seconds."""
    from assay.pipeline.plan import survey
    from assay.pipeline.recipe_file import load
    from assay.store.run_folder import RunFolder

    folder = RunFolder.open(run, create=False)
    recipe = load(str(folder.path / "recipe.yaml"))
    rows = []
    for stage, placed in survey(recipe, folder.path):
        receipt = placed.receipt if placed else None
        rows.append(
            {
                "stage": stage.name,
                "state": placed.state if placed else "waits",
                "counts": dict(receipt.counts) if receipt else {},
                "seconds": receipt.seconds if receipt else None,
            }
        )
    if as_json:
        show({"name": recipe.name, "folder": str(folder.path), "stages": rows})
        return
    click.echo(f"{recipe.name} in {folder.path}")
    table(
        ["stage", "state", "counts", "seconds"],
        [
            [
                str(row["stage"]),
                str(row["state"]),
                ", ".join(f"{count:,} {name}" for name, count in dict(row["counts"]).items()),  # type: ignore[call-overload]
                "" if row["seconds"] is None else f"{row['seconds']:.1f}",
            ]
            for row in rows
        ],
    )
