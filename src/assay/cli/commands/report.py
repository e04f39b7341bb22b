"""assay report: draws the page of a run again."""

from __future__ import annotations

from pathlib import Path

import click

from assay.terminal.options import JSON, RUN, show


@click.command()
@RUN
@JSON
def command(run: Path, as_json: bool) -> None:
    """Draw report.html and results.json of the finished run in the folder RUN again."""
    from assay.report.api import report

    done = report(run)
    if as_json:
        show(done.results)
    else:
        click.echo(f"Report: {done.page}")
