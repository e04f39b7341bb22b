"""assay doctor: diagnose the environment."""

from __future__ import annotations

import click

from assay.terminal.options import JSON, show


@click.command()
@JSON
def command(as_json: bool) -> None:
    """Check versions, CPUs, memory, disk, models and data."""
    from assay.pipeline.environment import check_environment

    findings = check_environment()
    if as_json:
        show([{"check": f.check, "ok": f.ok, "found": f.value} for f in findings])
    else:
        for finding in findings:
            mark = click.style("ok ", fg="green") if finding.ok else click.style("no ", fg="yellow")
            click.echo(f"{mark} {finding.check:<22} {finding.value}")
