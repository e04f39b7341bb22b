"""assay probe privacy: detect personal data and secrets in texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table, texts_of
from assay.text.privacy.detectors import find_personal_data, find_secrets

if TYPE_CHECKING:
    from assay.text.privacy.detectors import PrivacyFinding

LIMITS = (
    "Names, street addresses and secrets without a known format are not detected: no findings do not prove that a text "
    "has no personal data."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--column", help="Column of the texts in a .csv or .jsonl file.")
@click.option("--whole", is_flag=True, help="Treat FILE as one text instead of one text per line.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    default=("US",),
    show_default=True,
    metavar="CODE",
    help="Region for phone numbers without country code; repeat for several.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="Maximum number of findings to list."
)
@JSON
def command(file: Path, column: str | None, whole: bool, regions: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Detect personal data and secrets in the texts of FILE; findings are masked.

    In a recipe, use the scorers PersonalData and Secrets with a Threshold filter.
    """
    from assay.text.privacy.detectors import check_regions

    try:
        check_regions(regions)
    except ValueError as error:
        raise UserError(str(error)) from error
    texts = texts_of(file, whole=whole, column=column)
    findings = [[*find_personal_data(text, regions=regions), *find_secrets(text)] for text in texts]
    data = _data(texts, findings)
    if as_json:
        show(data)
        return
    _print(data, findings, limit)


def _data(texts: Sequence[str], findings: Sequence[Sequence[PrivacyFinding]]) -> dict[str, Any]:
    from assay.text.privacy.detectors import counts_by_kind

    return {
        "texts": len(texts),
        "with_findings": sum(map(bool, findings)),
        "kinds": counts_by_kind([finding for text_findings in findings for finding in text_findings]),
        "findings": [
            {"text": nth, "kind": finding.kind, "masked": finding.masked, "start": finding.start}
            for nth, text_findings in enumerate(findings, start=1)
            for finding in text_findings
        ],
        "limits": LIMITS,
    }


def _print(data: dict[str, Any], findings: Sequence[Sequence[PrivacyFinding]], limit: int) -> None:
    from assay.analysis.format import count, percent_ci
    from assay.stats.inference.intervals import wilson

    n = data["texts"]
    rate = wilson(data["with_findings"], n)
    click.echo(f"Texts with findings: {count(data['with_findings'])} of {count(n)}, {percent_ci(rate, n=False)}.")
    if data["kinds"]:
        click.echo()
        table(["kind", "findings"], [[kind, count(number)] for kind, number in data["kinds"].items()])
        listed = data["findings"][:limit]
        if listed:
            click.echo()
            table(
                ["text", "character", "kind", "masked"],
                [
                    [count(finding["text"]), count(finding["start"]), finding["kind"], finding["masked"]]
                    for finding in listed
                ],
            )
        if len(data["findings"]) > limit:
            click.echo(f"and {count(len(data['findings']) - limit)} more; --json lists all.")
    click.echo(f"\n{LIMITS}")
