"""assay status: progress of a run."""

from __future__ import annotations

from pathlib import Path

import click

from assay.terminal.options import JSON, RUN, show, table


@click.command()
@RUN
@JSON
def command(run: Path, as_json: bool) -> None:
    """Show the progress of the run in the folder RUN."""
    from assay.pipeline.lineage.explain import read_run

    recipe, stages = read_run(run)
    rows = []
    for stage, placed in stages:
        receipt = placed.receipt if placed else None
        counts = dict(receipt.counts) if receipt else {}
        rows.append((stage.name, placed.state if placed else "waits", counts, receipt.seconds if receipt else None))
    if as_json:
        data = [dict(zip(("stage", "state", "counts", "seconds"), row, strict=True)) for row in rows]
        show({"name": recipe.name, "folder": str(run), "stages": data})
        return
    click.echo(f"{recipe.name} in {run}")
    table(
        ["stage", "state", "counts", "seconds"],
        [
            [
                stage,
                state,
                ", ".join(f"{count:,} {name}" for name, count in counts.items()),
                "" if seconds is None else f"{seconds:.1f}",
            ]
            for stage, state, counts, seconds in rows
        ],
    )
