"""Options, printing and text input shared by commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from assay.core.errors import UserError

RECIPE = click.argument("recipe")
QUICK = click.option("--quick", is_flag=True, help="Use the small version from the recipe's 'quick:' section.")
SET = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a recipe value, such as generate.steps=8; repeat for several.",
)
OUT = click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME]")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
RUN = click.argument("run", type=click.Path(path_type=Path))


def show(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def run_folder(out: Path | None, name: str) -> Path:
    """Run folder of a recipe."""
    return out if out is not None else Path("runs") / name


def table(headers: list[str], rows: list[list[str]]) -> None:
    """Print a table; numeric columns are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for nth, header in enumerate(headers):
        numeric = rows and all(not row[nth] or row[nth][0].isdigit() for row in rows)
        grid.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    Console(width=None if Console().is_terminal else 110, highlight=False, markup=False).print(grid)


def texts_of(file: Path, *, whole: bool, column: str | None) -> list[str]:
    """Read texts from a file: one per line, a column of a table, or the whole file; blank texts are skipped.

    Raises:
        UserError: The file contains no text, or is a table and no column is given.
    """
    from assay.components.sources.files.records import READERS, read_text

    reader = READERS.get(file.suffix.lower())
    if column is not None and (whole or reader is None):
        raise UserError(f"--column requires a {', '.join(READERS)} file and cannot be combined with --whole.")
    if reader is not None and not whole and column is None:
        raise UserError(
            f"{file.name} is a table: give the column of the texts with --column.",
            hint="Or use --whole to read the file as one text.",
        )
    if reader is not None and column is not None:
        records = reader(file, (column,), "a table of texts")
        texts = [record.text(column) for record in records if record.values[column] not in (None, "")]
    else:
        text = read_text(file, "a text")
        texts = [text] if whole else text.split("\n")
    if not any(text.strip() for text in texts):
        raise UserError(f"{file} contains no text.", hint="Write one text per line, or use --whole.")
    return texts if whole else [text for text in texts if text.strip()]
