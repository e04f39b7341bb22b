"""assay init: copy a built-in recipe to a file."""

from __future__ import annotations

from pathlib import Path

import click

from assay.core.errors import RecipeError, StoreError, did_you_mean
from assay.terminal.options import JSON, show


@click.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="File to write.  [default: NAME.yaml]")
@JSON
def command(name: str, to: Path | None, as_json: bool) -> None:
    """Copy the built-in recipe NAME to a file for editing."""
    from assay.pipeline.recipe.codec import shipped_recipes

    if name not in shipped_recipes():
        raise RecipeError(f"Unknown recipe {name!r}.", hint=did_you_mean(name, shipped_recipes()), name=name)
    target = to or Path(f"{name}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(shipped_recipes()[name].read_text(encoding="utf-8"))
    except FileExistsError:
        raise StoreError(f"{target} already exists.", hint="Choose another file with --to.", path=str(target)) from None
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}.", path=str(target)) from error
    if as_json:
        show({"written": str(target)})
    else:
        click.echo(f"Wrote {target}. Edit it, then run: assay run {target}")
