"""assay recipes: built-in recipes."""

from __future__ import annotations

import click

from assay.terminal.options import JSON, show, table


@click.command()
@JSON
def command(as_json: bool) -> None:
    """List the built-in recipes."""
    from assay.pipeline.recipe.codec import read, shipped_recipes

    recipes = [{"name": name, "question": str(read(name).get("question", ""))} for name in shipped_recipes()]
    if as_json:
        show(recipes)
    else:
        table(["recipe", "question"], [[row["name"], row["question"]] for row in recipes])
