"""assay why: everything known of one sample."""

from __future__ import annotations

from pathlib import Path

import click

from assay.cli.options import JSON, RUN, show


@click.command()
@RUN
@click.argument("sample")
@JSON
def command(run: Path, sample: str, as_json: bool) -> None:
    """Say where SAMPLE of the run in the folder RUN came from, what it scored and why it was kept or dropped.

    SAMPLE is an id, or the beginning of one; the report page shows them.
    """
    from assay.pipeline.why import explain

    found = explain(run, sample)
    if as_json:
        show(found)
        return
    click.echo(f"sample {found['id']}: {'kept' if found['kept'] else found['fate']}")
    for name, value in found["fields"].items():
        click.echo(f"  {name}: {value}")
    for line in found["came"]:
        click.echo(f"  {line}")
    for column, text in found["outcomes"].items():
        click.echo(f"  {column}: {text}")
    if found["decision"]:
        decision = found["decision"]
        click.echo(f"  {'kept' if decision['keep'] else 'dropped'} by {decision['filter'] or 'no filter'}")
        click.echo(f"    rule: {decision['rule']}")
        click.echo(f"    reason: {decision['reason']}")
