"""Options and printing that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

RECIPE = click.argument("recipe")
QUICK = click.option("--quick", is_flag=True, help="The recipe's small version: see its 'quick:' section.")
SET = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one argument: generate.steps=8."
)
OUT = click.option("--out", type=click.Path(path_type=Path), help="The run's folder; runs/NAME where left out.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
RUN = click.argument("run", type=click.Path(path_type=Path))


def show(value: Any) -> None:
    """Prints JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def run_folder(out: Path | None, name: str) -> Path:
    """Where a run of the recipe `name` lies."""
    return out if out is not None else Path("runs") / name


def table(headers: list[str], rows: list[list[str]]) -> None:
    """Prints rows under headers; columns of numbers are flush right."""
    from rich.console import Console
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for nth, header in enumerate(headers):
        numeric = rows and all(not row[nth] or row[nth][0].isdigit() for row in rows)
        made.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    Console(width=None if Console().is_terminal else 110, highlight=False, markup=False).print(made)
