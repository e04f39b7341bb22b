"""assay models: the models that need no network."""

from __future__ import annotations

import click

from assay.cli.options import JSON, show, table


@click.command()
@JSON
def command(as_json: bool) -> None:
    """List the models that assay carries, and how to name others."""
    from assay.models.embedded import carried

    found = carried()
    if as_json:
        show([{"reference": m.reference, "kind": m.kind, "megabytes": m.megabytes, "about": m.about} for m in found])
        return
    table(["reference", "kind", "MB", "about"], [[m.reference, m.kind, f"{m.megabytes:.1f}", m.about] for m in found])
    click.echo("Also: org/name of the Hugging Face hub, and the path of a folder, such as one that assay trained.")
