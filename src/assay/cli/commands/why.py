"""assay why: provenance, scores and filter decision of one sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from assay.terminal.options import JSON, RUN, show

CHANGED = "The file was modified after the export: its metadata may not describe it."


@click.command()
@RUN
@click.argument("sample", required=False)
@JSON
def command(run: Path, sample: str | None, as_json: bool) -> None:
    """Explain why SAMPLE was kept or dropped.

    Show the provenance, scores and filter decision of SAMPLE in the run folder RUN. SAMPLE is an id or its prefix; the
    report shows ids. RUN may also be a PNG file that assay exported, without SAMPLE: its metadata contains the
    provenance.
    """
    from assay.pipeline.lineage.explain import explain_file, explain_sample

    if sample is None and not run.is_file():
        raise click.UsageError(
            "Missing argument 'SAMPLE': a sample id or its prefix. Only an exported PNG file needs none."
        )
    explanation = explain_file(run) if sample is None else explain_sample(run, sample)
    if as_json:
        show({name: value for name, value in explanation.items() if name != "lines"})
    elif sample is None:
        click.echo("\n".join([f"sample {explanation['id']}", *(f"  {line}" for line in explanation["lines"])]))
        click.echo("  The file is unmodified since the export." if explanation["as_exported"] else f"  {CHANGED}")
    else:
        _print(explanation)


def _print(explanation: Mapping[str, Any]) -> None:
    click.echo(f"sample {explanation['id']}: {'kept' if explanation['kept'] else explanation['fate']}")
    for name, value in explanation["fields"].items():
        click.echo(f"  {name}: {value}")
    for line in explanation["lines"]:
        click.echo(f"  {line}")
    for column, text in explanation["outcomes"].items():
        click.echo(f"  {column}: {text}")
    if explanation["decision"]:
        decision = explanation["decision"]
        click.echo(f"  {'kept' if decision['keep'] else 'dropped'} by {decision['filter'] or 'no filter'}")
        click.echo(f"    rule: {decision['rule']}")
        click.echo(f"    reason: {decision['reason']}")
