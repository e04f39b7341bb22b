"""assay export: the kept samples as a data set for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.terminal.options import JSON, RUN, show

if TYPE_CHECKING:
    from assay.store.export.export import ExportLayout

LAYOUTS = ("hf", "imagefolder", "jsonl", "alpaca", "sharegpt", "messages", "preference")


@click.command()
@RUN
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(LAYOUTS), default="hf", show_default=True, help="What PATH is to look like.")
@click.option("--license", "license_", default="unknown", show_default=True, help="For the card, such as cc-by-4.0.")
@click.option("--language", multiple=True, help="For the card, such as en; once for each.")
@JSON
def command(run: Path, path: Path, to: ExportLayout, license_: str, language: tuple[str, ...], as_json: bool) -> None:
    """Write the samples that the run in the folder RUN kept to the new folder PATH, with a card (README.md).

    hf is parquet, jsonl one sample a line, imagefolder a folder a label. alpaca, sharegpt and messages hold tasks
    (instruction, input, output), or prompts and the texts that were written to them, as training code reads them;
    preference holds pairs of answers as TRL's trainers do.
    """
    from assay.analysis.card import card_of
    from assay.pipeline.lineage.explain import kept_samples, run_provenance
    from assay.store.export.export import export
    from assay.store.images import StoredImages

    samples, folder = kept_samples(run)
    card = card_of(run, license_=license_, languages=language)
    count = export(samples, StoredImages([folder]), path, to, card, run_provenance(run).row)
    if as_json:
        show({"samples": count, "path": str(path), "layout": to})
    else:
        click.echo(f"Wrote {count:,} samples and a card to {path} ({to}).")
