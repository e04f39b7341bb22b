"""assay decode: compare decoding strategies on one prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.core.decoding import parse_strategy
from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.core.decoding import Decoding


@click.command()
@click.argument("prompt")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    help="Decoding strategy: greedy, beam:4, top-k:50, top-p:0.9,temperature:0.7, ...; repeat for several.",
)
@click.option("--model", default="embedded:smollm2", show_default=True, help="Open language model.")
@click.option("--chat", is_flag=True, help="Apply the model's chat template to PROMPT.")
@click.option(
    "--max-tokens", type=click.IntRange(1, 512), default=20, show_default=True, help="Maximum tokens per answer."
)
@click.option(
    "--answers", type=click.IntRange(1, 16), default=1, show_default=True, help="Answers per sampling or beam strategy."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Sampling seed.")
@click.option(
    "--html", type=click.Path(path_type=Path), help="Write an HTML report of every decoding step to this file."
)
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
    """Compare decoding strategies on PROMPT, step by step."""
    from assay.decoding.page import as_data, compare_strategies, render_decoding
    from assay.models.open_models import OpenModels
    from assay.store.atomic import write_bytes

    named = strategies or ("greedy", "beam:4", "top-k:50", "top-p:0.9,temperature:0.7")
    named_strategies = [(name, parse_strategy(name, max_tokens=max_tokens, seed=seed)) for name in named]
    named_strategies = [
        (name, decoding if decoding.strategy == "greedy" else _with_answers(decoding, answers))
        for name, decoding in named_strategies
    ]
    if html is not None and not html.parent.is_dir():
        raise UserError(f"{html} cannot be written: the folder {html.parent} does not exist.")
    comparison = compare_strategies(OpenModels().stepped_model(model), prompt, named_strategies, model, chat=chat)
    if html is not None:
        write_bytes(html, render_decoding(comparison).encode("utf-8"))
    if as_json:
        show({"prompt": prompt, "model": model, "seed": seed, "strategies": as_data(comparison)})
        return
    rows = [
        [run.name, (answer.text or "").strip(), f"{answer.log_prob:.2f}", str(len(answer.ids)), str(run.trace.rows)]
        for run in comparison.runs
        for answer in run.trace.answers
    ]
    table(["strategy", "text", "log-probability", "tokens", "model calls"], rows)
    if html is not None:
        click.echo(f"Report: {html}")


def _with_answers(decoding: Decoding, answers: int) -> Decoding:
    from dataclasses import replace

    return replace(decoding, answers=min(answers, decoding.beams) if decoding.strategy == "beam" else answers)
