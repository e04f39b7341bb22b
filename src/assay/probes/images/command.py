"""assay probe images: detect unsafe images and images on a block list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.probes.images.probe import ScoredImage

LIMITS = (
    "The embedded model detects pornography in photographs only, not violence, symbols or drawings. On a folder known "
    "to be harmless, the flagged rate is the false positive rate."
)


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--model", default="embedded:open-nsfw", show_default=True, help="Image classifier.")
@click.option(
    "--unsafe",
    multiple=True,
    default=("nsfw",),
    show_default=True,
    help="Unsafe label of the classifier; repeat for several.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Flag images above this probability.",
)
@click.option(
    "--block-list", type=click.Path(path_type=Path), help="File of perceptual hashes, or folder of images, to match."
)
@click.option(
    "--max-distance",
    type=click.IntRange(0, 64),
    default=8,
    show_default=True,
    help="Maximum Hamming distance of a match.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="Maximum number of images to list."
)
@JSON
def command(
    path: Path,
    model: str,
    unsafe: tuple[str, ...],
    threshold: float,
    block_list: Path | None,
    max_distance: int,
    limit: int,
    as_json: bool,
) -> None:
    """Detect unsafe images below PATH, and near-duplicates of images on a block list.

    In a recipe, use the scorers ImageSafety and BlockList with a Threshold filter.
    """
    from assay.components.scorers.image.block_list import BlockList
    from assay.components.scorers.image.classifiers import ImageSafety
    from assay.models.open_models import OpenModels
    from assay.pipeline.progress import LogLines, SilentReporter
    from assay.probes.images.probe import ImageScorer, score_images

    scorers: dict[str, ImageScorer] = {"safety": ImageSafety(model, unsafe)}
    if block_list is not None:
        scorers["blocked"] = BlockList(str(block_list), max_distance)
    reporter = SilentReporter() if as_json else LogLines()
    reporter.begin("images scored", 1, 0)
    images = score_images(path, scorers, OpenModels(), reporter.advance)
    data = _data(images, threshold, max_distance, blocked=block_list is not None)
    if as_json:
        show(data)
        return
    _print(data, limit)


def _data(images: Sequence[ScoredImage], threshold: float, max_distance: int, *, blocked: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from assay.core.score import Score
    from assay.probes.images.probe import flagged_rate

    rows = []
    for image in images:
        row: dict[str, Any] = {"file": image.file, "reasons": []}
        for name, outcome in image.outcomes.items():
            if not isinstance(outcome, Score):
                row |= {name: None, "failure": getattr(outcome, "reason", "")}
                continue
            row[name] = outcome.value
            if outcome.value > threshold if name == "safety" else outcome.value <= max_distance:
                row["reasons"].append("unsafe" if name == "safety" else outcome.reason)
        rows.append(row)
    rates = {"safety": flagged_rate(images, "safety", lambda value: value > threshold)}
    if blocked:
        rates["blocked"] = flagged_rate(images, "blocked", lambda value: value <= max_distance)
    return {
        "images": rows,
        "threshold": threshold,
        "rates": {name: None if rate is None else asdict(rate) for name, rate in rates.items()},
        "failed": sum("failure" in row for row in rows),
        "limits": LIMITS,
    }


def _print(data: dict[str, Any], limit: int) -> None:
    from assay.analysis.format import count, percent_ci, plural
    from assay.core.effect import Effect

    words = {"safety": "unsafe", "blocked": "on the block list"}
    for name, rate in data["rates"].items():
        if rate is not None:
            effect = Effect(**rate)
            flagged = round(effect.estimate * effect.n)
            click.echo(f"{plural(flagged, 'image')} {words[name]}: {percent_ci(effect)}.")
    failed = [row for row in data["images"] if "failure" in row]
    flagged_rows = [row for row in data["images"] if row["reasons"]]
    rows = [
        [row["file"], _number(row, "safety"), _number(row, "blocked"), ", ".join(row["reasons"])]
        for row in flagged_rows
    ]
    rows += [[row["file"], "-", "-", row["failure"]] for row in failed]
    if rows[:limit]:
        click.echo()
        table(["image", "P(unsafe)", "distance", "reason"], rows[:limit])
    if len(rows) > limit:
        click.echo(f"and {count(len(rows) - limit)} more; --json lists all.")
    click.echo(f"\n{LIMITS}")


def _number(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "-" if value is None else f"{value:.3f}" if name == "safety" else f"{value:.0f}"
