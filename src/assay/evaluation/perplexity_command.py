"""assay perplexity: how much texts surprise a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table
from assay.terminal.texts import texts_of

if TYPE_CHECKING:
    from assay.models.text.log_probs import WindowedLogProbs
    from assay.text.decoding.perplexity import CorpusPerplexity

SHORT = 0.02
"""Share of tokens that stand first in their text, from which on a note says what that does."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", default="embedded:smollm2", show_default=True, help="Any open language model.")
@click.option("--whole", is_flag=True, help="FILE is one text, not one on each line.")
@click.option("--column", help="Of a .csv or .jsonl file: which column holds the texts.")
@click.option("--window", type=click.IntRange(2), help="Tokens the model sees at once; as many as it takes by default.")
@click.option("--stride", type=click.IntRange(1), help="Tokens from window to window; half a window by default.")
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
    """Perplexity of the texts in FILE by token, by word and by byte; empty lines are no texts."""
    from assay.models.open_models import OpenModels
    from assay.models.text.log_probs import windowed_log_probs
    from assay.pipeline.progress import Lines, Silent
    from assay.text.decoding.perplexity import of_corpus, of_text

    texts = texts_of(file, whole=whole, column=column)
    reporter = Silent() if as_json else Lines()
    reporter.begin("windows", 0, 0)
    read = windowed_log_probs(
        OpenModels().text_model(model), texts, window=window, stride=stride, on_progress=reporter.advance
    )
    found = [of_text(text, one.values) for text, one in zip(texts, read, strict=True)]
    total = of_corpus(found)
    if not total.tokens:
        raise UserError(f"{file} holds no text of two tokens or more.")
    if as_json:
        rows = [{**_data(one), "windows": own.windows} for one, own in zip(found, read, strict=True)]
        how = {"model": model, "window": read[0].window, "stride": read[0].stride}
        show({**how, "corpus": {"texts": total.texts, **_data(total)}, "texts": rows})
        return
    _print(model, total, read)


def _data(one: CorpusPerplexity) -> dict[str, Any]:
    """A text of fewer than two tokens has counts and no perplexity."""
    names = ("per_token", "per_word", "per_byte", "bits_per_byte") if one.tokens else ()
    return {
        "tokens": one.tokens,
        "words": one.words,
        "bytes": one.bytes,
        "log_prob": one.log_prob,
        **{name: getattr(one, name) for name in names},
    }


def _print(model: str, total: CorpusPerplexity, read: Sequence[WindowedLogProbs]) -> None:
    lacking, windows, how = len(read) - total.texts, sum(one.windows for one in read), read[0]
    size = "any number of tokens" if how.window is None else f"{how.window:,} tokens"
    slid = (
        f", one each {how.stride:,}" if how.stride and any(one.windows > 1 for one in read) else ", no text is longer"
    )
    rows = {
        "model": model,
        "window": f"{size}{slid}",
        "windows read": f"{windows:,}",
        "texts": f"{total.texts:,}",
        "tokens scored": f"{total.tokens:,}",
        "words": f"{total.words:,}",
        "bytes": f"{total.bytes:,}",
        "log-probability": f"{total.log_prob:,.4f} nats",
        "perplexity by token": f"{total.per_token:,.4f}",
        "perplexity by word": f"{total.per_word:,.4f}",
        "perplexity by byte": f"{total.per_byte:,.4f}",
        "bits per byte": f"{total.bits_per_byte:,.4f}",
    }
    table(["", ""], [[name, value] for name, value in rows.items()])
    if lacking:
        click.echo(f"Left out: {lacking:,} of {len(read):,} texts, which have fewer than two tokens.")
    if total.texts > SHORT * (total.tokens + total.texts):
        click.echo(
            f"The first token of each text has nothing before it and is not scored ({total.texts:,} of "
            f"{total.tokens + total.texts:,}), but its word and bytes count: of texts as short as these perplexity by "
            "word and by byte is too low."
        )
