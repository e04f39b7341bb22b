"""assay probe images: which images of a folder are not safe to show, or are on a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.probes.images.probe import Looked

LIMITS = (
    "The embedded model tells pornography in photographs and nothing else: no violence, no symbols, no drawings. Of a "
    "folder that is known to be harmless the share that is flagged is the rate of false alarms."
)


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--model", default="embedded:open-nsfw", show_default=True, help="Any image classifier.")
@click.option("--unsafe", multiple=True, default=("nsfw",), show_default=True, help="Its labels for what is unsafe.")
@click.option("--line", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Flagged is what lies above.")
@click.option("--block-list", type=click.Path(path_type=Path), help="Perceptual hashes, or a folder of images.")
@click.option("--near", type=click.IntRange(0, 64), default=8, show_default=True, help="Bits up to which one is like.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Images that are listed.")
@JSON
def command(
    path: Path,
    model: str,
    unsafe: tuple[str, ...],
    line: float,
    block_list: Path | None,
    near: int,
    limit: int,
    as_json: bool,
) -> None:
    """Find images below PATH that are not safe to show, or look like those of a block list.

    In a recipe the scorers ImageSafety and BlockList do the same, and a Threshold drops what lies beyond a line.
    """
    from assay.components.scorers.image.block_list import BlockList
    from assay.components.scorers.image.classifiers import ImageSafety
    from assay.models.open_models import OpenModels
    from assay.pipeline.progress import Lines, Silent
    from assay.probes.images.probe import Looker, look

    scorers: dict[str, Looker] = {"safety": ImageSafety(model, unsafe)}
    if block_list is not None:
        scorers["blocked"] = BlockList(str(block_list), near)
    reporter = Silent() if as_json else Lines()
    reporter.begin("images looked at", 1, 0)
    found = look(path, scorers, OpenModels(), reporter.advance)
    data = _data(found, line, near, blocked=block_list is not None)
    if as_json:
        show(data)
        return
    _print(data, limit)


def _data(found: Sequence[Looked], line: float, near: int, *, blocked: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from assay.core.score import Score
    from assay.probes.images.probe import beyond

    rows = []
    for one in found:
        row: dict[str, Any] = {"file": one.file, "why": []}
        for name, outcome in one.outcomes.items():
            if not isinstance(outcome, Score):
                row |= {name: None, "lack": getattr(outcome, "reason", "")}
                continue
            row[name] = outcome.value
            if outcome.value > line if name == "safety" else outcome.value <= near:
                row["why"].append("not safe" if name == "safety" else outcome.reason)
        rows.append(row)
    shares = {"safety": beyond(found, "safety", lambda value: value > line)}
    if blocked:
        shares["blocked"] = beyond(found, "blocked", lambda value: value <= near)
    return {
        "images": rows,
        "line": line,
        "shares": {name: None if share is None else asdict(share) for name, share in shares.items()},
        "unread": sum("lack" in row for row in rows),
        "limits": LIMITS,
    }


def _print(data: dict[str, Any], limit: int) -> None:
    from assay.analysis.format import count, percent, percent_between, plural
    from assay.core.effect import Effect

    said = {"safety": "not safe", "blocked": "like one of the list"}
    for name, share in data["shares"].items():
        if share is not None:
            effect = Effect(**share)
            flagged = round(effect.estimate * effect.n)
            click.echo(
                f"{count(flagged)} of {plural(effect.n, 'image')} {said[name]}: {percent(effect.estimate)} "
                f"({percent_between(effect)})."
            )
    unread = [row for row in data["images"] if "lack" in row]
    flagged_rows = [row for row in data["images"] if row["why"]]
    rows = [
        [row["file"], _number(row, "safety"), _number(row, "blocked"), ", ".join(row["why"])] for row in flagged_rows
    ]
    rows += [[row["file"], "-", "-", row["lack"]] for row in unread]
    if rows[:limit]:
        click.echo()
        table(["image", "unsafe", "bits", "why"], rows[:limit])
    if len(rows) > limit:
        click.echo(f"and {count(len(rows) - limit)} more; --json lists all.")
    click.echo(f"\n{LIMITS}")


def _number(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "-" if value is None else f"{value:.3f}" if name == "safety" else f"{value:.0f}"
