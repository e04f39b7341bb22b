"""assay models: embedded models, and a check of any language model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.models.check import ModelCheck


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the embedded models, or check a model."""
    if context.invoked_subcommand is not None:
        return
    from assay.models.embedded.catalog import embedded_models

    models = embedded_models()
    if as_json:
        show([{"reference": m.reference, "kind": m.kind, "megabytes": m.megabytes, "about": m.about} for m in models])
        return
    table(["reference", "kind", "MB", "about"], [[m.reference, m.kind, f"{m.megabytes:.1f}", m.about] for m in models])
    click.echo(
        "Other references: org/name on the Hugging Face hub, a model folder, a .gguf file; remote: "
        "openai:NAME,\nanthropic:NAME, gemini:NAME and http://host/v1#NAME. 'assay models check REF' asks one question."
    )


@command.command()
@click.argument("reference")
@JSON
def check(reference: str, as_json: bool) -> None:
    """Check the language model REFERENCE with one question.

    Show its speed, context, memory or price, and unsupported features.
    """
    from assay.models.check import check_model

    result = check_model(reference)
    if as_json:
        show(asdict(result))
        return
    table(["", ""], [[name, value] for name, value in _rows(result)])


def _rows(result: ModelCheck) -> list[tuple[str, str]]:
    speed = f"{result.tokens / result.seconds:,.0f} tokens per second, unbatched" if result.tokens else "unknown"
    rows = [
        ("model", result.reference),
        ("backend", result.backend),
        ("answer", " ".join(result.answer.split())),
        ("speed", speed),
        ("context", f"{result.context:,} tokens" if result.context else "unknown"),
    ]
    if result.need is not None:
        need = result.need
        rows.append(("parameters", f"{need.parameters:,}"))
        whole = (
            f", {need.cache_per_token * result.context / 1e6:,.0f} MB for the full context" if result.context else ""
        )
        cache = f"{need.cache_per_token / 1e3:,.1f} kB per token{whole}"
        rows.append(("memory", f"{need.weights / 1e6:,.0f} MB of weights; cache {cache}"))
    else:
        price = result.dollars_per_million
        price_text = "unknown" if price is None else f"${price[0]:g} input, ${price[1]:g} output per million tokens"
        rows.append(("price", price_text))
    rows.append(("unsupported", ", ".join(result.cannot) or "none"))
    return [*rows, ("note", result.note)] if result.note else rows
