"""assay probe private: personal data and keys in texts, before they are published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table
from assay.terminal.texts import texts_of

if TYPE_CHECKING:
    from assay.text.privacy.detectors import PrivacyFinding

LIMITS = (
    "Names, street addresses and secrets without a known form are not found: nothing found is no proof that nothing "
    "is there."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--column", help="Of a .csv or .jsonl file: which column holds the texts.")
@click.option("--whole", is_flag=True, help="FILE is one text, not one on each line.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    default=("US",),
    show_default=True,
    metavar="CODE",
    help="Countries whose phone numbers are known without a country's code.",
)
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Findings that are listed.")
@JSON
def command(file: Path, column: str | None, whole: bool, regions: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find personal data and keys in the texts of FILE; they are shown masked.

    In a recipe the scorers PersonalData and Secrets do the same, and a Threshold drops what has any.
    """
    from assay.text.privacy.detectors import check_regions, find_personal_data, find_secrets

    try:
        check_regions(regions)
    except ValueError as error:
        raise UserError(str(error)) from error
    texts = texts_of(file, whole=whole, column=column)
    found = [[*find_personal_data(text, regions=regions), *find_secrets(text)] for text in texts]
    data = _data(texts, found)
    if as_json:
        show(data)
        return
    _print(data, found, limit)


def _data(texts: Sequence[str], found: Sequence[Sequence[PrivacyFinding]]) -> dict[str, Any]:
    from assay.text.privacy.detectors import counts_by_kind

    return {
        "texts": len(texts),
        "with_findings": sum(bool(own) for own in found),
        "kinds": counts_by_kind([one for own in found for one in own]),
        "findings": [
            {"text": nth, "kind": one.kind, "masked": one.masked, "start": one.start}
            for nth, own in enumerate(found, start=1)
            for one in own
        ],
        "limits": LIMITS,
    }


def _print(data: dict[str, Any], found: Sequence[Sequence[PrivacyFinding]], limit: int) -> None:
    from assay.analysis.format import count, percent, percent_between, plural
    from assay.stats.inference.intervals import wilson

    n = data["texts"]
    share = wilson(data["with_findings"], n)
    between = f" ({percent_between(share)})" if n > 1 else ""
    click.echo(
        f"{count(data['with_findings'])} of {plural(n, 'text')}, {percent(share.estimate)}{between}, hold something."
    )
    if data["kinds"]:
        click.echo()
        table(["kind", "found"], [[kind, count(times)] for kind, times in data["kinds"].items()])
        shown = data["findings"][:limit]
        if shown:
            click.echo()
            table(
                ["text", "character", "kind", "masked"],
                [[count(one["text"]), count(one["start"]), one["kind"], one["masked"]] for one in shown],
            )
        if len(data["findings"]) > limit:
            click.echo(f"and {count(len(data['findings']) - limit)} more; --json lists all.")
    click.echo(f"\n{LIMITS}")
