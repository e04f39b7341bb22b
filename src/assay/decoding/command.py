"""assay decode: one prompt, decoded in several ways, and how each chose its words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.core.decoding import Decoding


@click.command()
@click.argument("prompt")
@click.option(
    "--strategy", "strategies", multiple=True, help="greedy, beam:4, top-k:50, top-p:0.9,temperature:0.7, ..."
)
@click.option("--model", default="embedded:smollm2", show_default=True, help="Any open language model.")
@click.option("--chat", is_flag=True, help="Ask as a message, through the model's chat template.")
@click.option("--max-tokens", type=click.IntRange(1, 512), default=20, show_default=True)
@click.option("--answers", type=click.IntRange(1, 16), default=1, show_default=True, help="Of sampling and beams.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--html", type=click.Path(path_type=Path), help="Draw a page of how each chose.")
@JSON
def command(
    prompt: str,
    strategies: tuple[str, ...],
    model: str,
    chat: bool,
    max_tokens: int,
    answers: int,
    seed: int,
    html: Path | None,
    as_json: bool,
) -> None:
    """Go on from PROMPT by each --strategy; --html draws every step."""
    from assay.core.decoding import parse_strategy
    from assay.decoding.page import render_decoding
    from assay.decoding.runs import as_data, tries
    from assay.models.open_models import OpenModels
    from assay.store.atomic import write_bytes

    named = strategies or ("greedy", "beam:4", "top-k:50", "top-p:0.9,temperature:0.7")
    ways = [(name, parse_strategy(name, max_tokens=max_tokens, seed=seed)) for name in named]
    ways = [(name, way if way.strategy == "greedy" else _with(way, answers)) for name, way in ways]
    if html is not None and not html.parent.is_dir():
        raise UserError(f"{html} cannot be written: there is no folder {html.parent}.")
    found = tries(OpenModels().stepped_model(model), prompt, ways, model, chat=chat)
    if html is not None:
        write_bytes(html, render_decoding(found).encode("utf-8"))
    if as_json:
        show({"prompt": prompt, "model": model, "seed": seed, "strategies": as_data(found)})
        return
    rows = [
        [tried.name, (answer.text or "").strip(), f"{answer.log_prob:.2f}", str(len(answer.ids)), str(tried.trace.rows)]
        for tried in found.tried
        for answer in tried.trace.answers
    ]
    table(["strategy", "text", "log-probability", "tokens", "model calls"], rows)
    if html is not None:
        click.echo(f"How each chose: {html}")


def _with(way: Decoding, answers: int) -> Decoding:
    from dataclasses import replace

    return replace(way, answers=min(answers, way.beams) if way.strategy == "beam" else answers)
