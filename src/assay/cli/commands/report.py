"""assay report: rebuild the report of a run."""

from __future__ import annotations

from pathlib import Path

import click

from assay.terminal.options import JSON, RUN, show


@click.command()
@RUN
@JSON
def command(run: Path, as_json: bool) -> None:
    """Rebuild the report of the run in the folder RUN.

    Write report.html and results.json of a finished run again.
    """
    from assay.report.api import report

    result = report(run)
    if as_json:
        show(result.results)
    else:
        click.echo(f"Report: {result.page}")
