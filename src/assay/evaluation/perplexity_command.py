"""assay perplexity: perplexity of texts under a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.models.text.log_probs import windowed_log_probs
from assay.terminal.options import JSON, show, table, texts_of

if TYPE_CHECKING:
    from assay.models.text.log_probs import WindowedLogProbs
    from assay.text.decoding.perplexity import CorpusPerplexity

FIRST_TOKEN_RATE = 0.02
"""Proportion of unscored first tokens above which a note about the bias is printed."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", default="embedded:smollm2", show_default=True, help="Open language model.")
@click.option("--whole", is_flag=True, help="Treat FILE as one text instead of one text per line.")
@click.option("--column", help="Column of the texts in a .csv or .jsonl file.")
@click.option("--window", type=click.IntRange(2), help="Context window in tokens.  [default: the model's maximum]")
@click.option("--stride", type=click.IntRange(1), help="Stride between windows in tokens.  [default: half a window]")
@JSON
def command(
    file: Path,
    model: str,
    whole: bool,
    column: str | None,
    window: int | None,
    stride: int | None,
    as_json: bool,
) -> None:
    """Compute the perplexity of the texts in FILE.

    Per token, per word and per byte. Empty lines are skipped.
    """
    from assay.models.open_models import OpenModels
    from assay.pipeline.progress import LogLines, SilentReporter
    from assay.text.decoding.perplexity import corpus_perplexity, text_perplexity

    texts = texts_of(file, whole=whole, column=column)
    reporter = SilentReporter() if as_json else LogLines()
    reporter.begin("windows", 0, 0)
    log_probs = windowed_log_probs(
        OpenModels().text_model(model), texts, window=window, stride=stride, on_progress=reporter.advance
    )
    perplexities = [text_perplexity(text, windowed.values) for text, windowed in zip(texts, log_probs, strict=True)]
    total = corpus_perplexity(perplexities)
    if not total.tokens:
        raise UserError(f"{file} contains no text of at least two tokens.")
    if as_json:
        rows = [
            {**_data(perplexity), "windows": windowed.windows}
            for perplexity, windowed in zip(perplexities, log_probs, strict=True)
        ]
        first = {"model": model, "window": log_probs[0].window, "stride": log_probs[0].stride}
        show({**first, "corpus": {"texts": total.texts, **_data(total)}, "texts": rows})
        return
    _print(model, total, log_probs)


def _data(perplexity: CorpusPerplexity) -> dict[str, Any]:
    """Result as JSON; a text of fewer than two tokens has no perplexity."""
    names = ("per_token", "per_word", "per_byte", "bits_per_byte") if perplexity.tokens else ()
    return {
        "tokens": perplexity.tokens,
        "words": perplexity.words,
        "bytes": perplexity.bytes,
        "log_prob": perplexity.log_prob,
        **{name: getattr(perplexity, name) for name in names},
    }


def _print(model: str, total: CorpusPerplexity, log_probs: Sequence[WindowedLogProbs]) -> None:
    skipped, first = len(log_probs) - total.texts, log_probs[0]
    windows = sum(windowed.windows for windowed in log_probs)
    size = "unlimited" if first.window is None else f"{first.window:,} tokens"
    stride = (
        f", stride {first.stride:,}"
        if first.stride and any(windowed.windows > 1 for windowed in log_probs)
        else ", no text is longer"
    )
    rows = {
        "model": model,
        "window": f"{size}{stride}",
        "windows": f"{windows:,}",
        "texts": f"{total.texts:,}",
        "tokens scored": f"{total.tokens:,}",
        "words": f"{total.words:,}",
        "bytes": f"{total.bytes:,}",
        "log-probability": f"{total.log_prob:,.4f} nats",
        "perplexity per token": f"{total.per_token:,.4f}",
        "perplexity per word": f"{total.per_word:,.4f}",
        "perplexity per byte": f"{total.per_byte:,.4f}",
        "bits per byte": f"{total.bits_per_byte:,.4f}",
    }
    table(["", ""], [[name, value] for name, value in rows.items()])
    if skipped:
        click.echo(f"Skipped {skipped:,} of {len(log_probs):,} texts with fewer than two tokens.")
    if total.texts > FIRST_TOKEN_RATE * (total.tokens + total.texts):
        click.echo(
            f"Note: the first token of each text is not scored ({total.texts:,} of {total.tokens + total.texts:,} "
            "tokens), but its word and bytes are counted. For texts this short, perplexity per word and per byte is "
            "biased downwards."
        )
