"""assay init: a shipped recipe as a file to change."""

from __future__ import annotations

from pathlib import Path

import click

from assay.core.errors import RecipeError, StoreError, did_you_mean
from assay.terminal.options import JSON, show


@click.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="The file to write; NAME.yaml where left out.")
@JSON
def command(name: str, to: Path | None, as_json: bool) -> None:
    """Write the shipped recipe NAME to a file, to change and run."""
    from assay.pipeline.recipe.codec import shipped

    if name not in shipped():
        raise RecipeError(f"No recipe called {name!r} comes with assay.", hint=did_you_mean(name, shipped()))
    target = to or Path(f"{name}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(shipped()[name].read_text(encoding="utf-8"))
    except FileExistsError:
        raise StoreError(f"{target} exists already.", hint="Name another file with --to.") from None
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}.") from error
    if as_json:
        show({"written": str(target)})
    else:
        click.echo(f"Wrote {target}. Change it, then: assay run {target}")
