"""assay why: everything known of one sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from assay.terminal.options import JSON, RUN, show

CHANGED = "The file was changed since: what it says was said of another."


@click.command()
@RUN
@click.argument("sample", required=False)
@JSON
def command(run: Path, sample: str | None, as_json: bool) -> None:
    """Say where SAMPLE of the run in the folder RUN came from, what it scored and why it was kept or dropped.

    SAMPLE is an id, or the beginning of one; the report page shows them. RUN may also be a PNG file that assay
    exported, without a SAMPLE: it says where it came from by itself.
    """
    from assay.pipeline.lineage.explain import explain_file, explain_sample

    if sample is None and not run.is_file():
        raise click.UsageError("Missing argument 'SAMPLE': the id of one, or its beginning; or name a PNG file.")
    found = explain_file(run) if sample is None else explain_sample(run, sample)
    if as_json:
        show({name: value for name, value in found.items() if name != "lines"})
    elif sample is None:
        click.echo("\n".join([f"sample {found['id']}", *(f"  {line}" for line in found["lines"])]))
        click.echo("  The file is as it was exported." if found["as_exported"] else f"  {CHANGED}")
    else:
        _print(found)


def _print(found: Mapping[str, Any]) -> None:
    click.echo(f"sample {found['id']}: {'kept' if found['kept'] else found['fate']}")
    for name, value in found["fields"].items():
        click.echo(f"  {name}: {value}")
    for line in found["lines"]:
        click.echo(f"  {line}")
    for column, text in found["outcomes"].items():
        click.echo(f"  {column}: {text}")
    if found["decision"]:
        decision = found["decision"]
        click.echo(f"  {'kept' if decision['keep'] else 'dropped'} by {decision['filter'] or 'no filter'}")
        click.echo(f"    rule: {decision['rule']}")
        click.echo(f"    reason: {decision['reason']}")
