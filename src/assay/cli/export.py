"""assay export: the kept samples as a data set for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from assay.cli.options import JSON, RUN, show


@click.command()
@RUN
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(["hf", "imagefolder", "jsonl"]), default="hf", show_default=True)
@JSON
def command(run: Path, path: Path, to: Literal["hf", "imagefolder", "jsonl"], as_json: bool) -> None:
    """Write the samples that the run in the folder RUN kept to the new folder PATH."""
    from assay.pipeline.why import kept_samples
    from assay.store.export import export
    from assay.store.images import StoredImages

    samples, folder = kept_samples(run)
    count = export(samples, StoredImages([folder]), path, to)
    if as_json:
        show({"samples": count, "path": str(path), "layout": to})
    else:
        click.echo(f"Wrote {count:,} samples to {path} ({to}).")
