"""assay export: kept samples as a data set for other tools."""

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
@click.option("--to", type=click.Choice(LAYOUTS), default="hf", show_default=True, help="Layout of PATH.")
@click.option(
    "--license", "license_", default="unknown", show_default=True, help="License for the card, such as cc-by-4.0."
)
@click.option("--language", multiple=True, help="Language for the card, such as en; repeat for several.")
@JSON
def command(run: Path, path: Path, to: ExportLayout, license_: str, language: tuple[str, ...], as_json: bool) -> None:
    """Export the kept samples of a run for other tools.

    Write the samples of the run folder RUN to the new folder PATH, with a data card (README.md).

    hf is Parquet, jsonl has one sample per line, imagefolder one folder per label. alpaca, sharegpt and messages
    contain tasks (instruction, input, output) or prompts with generated texts; preference contains pairs of answers in
    TRL's format.
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
