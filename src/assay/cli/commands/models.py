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

    found = embedded_models()
    if as_json:
        show([{"reference": m.reference, "kind": m.kind, "megabytes": m.megabytes, "about": m.about} for m in found])
        return
    table(["reference", "kind", "MB", "about"], [[m.reference, m.kind, f"{m.megabytes:.1f}", m.about] for m in found])
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

    found = check_model(reference)
    if as_json:
        show(asdict(found))
        return
    table(["", ""], [[name, value] for name, value in _rows(found)])


def _rows(found: ModelCheck) -> list[tuple[str, str]]:
    speed = f"{found.tokens / found.seconds:,.0f} tokens per second, unbatched" if found.tokens else "unknown"
    rows = [
        ("model", found.reference),
        ("backend", found.backend),
        ("answer", " ".join(found.answer.split())),
        ("speed", speed),
        ("context", f"{found.context:,} tokens" if found.context else "unknown"),
    ]
    if found.need is not None:
        need = found.need
        rows.append(("parameters", f"{need.parameters:,}"))
        whole = f", {need.cache_per_token * found.context / 1e6:,.0f} MB for the full context" if found.context else ""
        cache = f"{need.cache_per_token / 1e3:,.1f} kB per token{whole}"
        rows.append(("memory", f"{need.weights / 1e6:,.0f} MB of weights; cache {cache}"))
    else:
        price = found.dollars_per_million
        price_text = "unknown" if price is None else f"${price[0]:g} input, ${price[1]:g} output per million tokens"
        rows.append(("price", price_text))
    rows.append(("unsupported", ", ".join(found.cannot) or "none"))
    return [*rows, ("note", found.note)] if found.note else rows
