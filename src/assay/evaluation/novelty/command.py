"""assay novelty: drop near-duplicate texts by ROUGE-L."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.components.sources.text.texts import TextRow
    from assay.evaluation.novelty.results import NoveltyResult, Words
    from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule

STDIN = "-"
SHOWN = 5
"""Maximum number of most repeated texts that are printed."""
WIDTH = 60
"""Characters of a text that are printed."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--field", help="Text field of a record; with - the input is JSONL.  [default: instruction]")
@click.option("--at-most", type=float, help="Keep texts with ROUGE-L F1 of at most this threshold.  [default: 0.7]")
@click.option("--below", type=float, help="Keep texts with ROUGE-L F1 below this threshold.")
@click.option(
    "--tokens",
    "words",
    type=click.Choice(["any", "ascii"]),
    default="any",
    show_default=True,
    help="Tokens: words of any script, or ASCII letters and digits as in rouge_score.",
)
@click.option("--against", type=click.Path(path_type=Path), help="File of texts to compare with in addition.")
@click.option("--out", type=click.Path(path_type=Path), help="JSONL file for the kept texts.")
@click.option("--stream", is_flag=True, help="Print kept texts as they arrive and the summary to stderr; implied by -.")
@JSON
def command(
    file: Path,
    field: str | None,
    at_most: float | None,
    below: float | None,
    words: Words,
    against: Path | None,
    out: Path | None,
    stream: bool,
    as_json: bool,
) -> None:
    """Keep the novel texts of FILE, by ROUGE-L.

    A text is kept if its ROUGE-L F1 with every text kept before is below a threshold.

    FILE is .txt (one text per line), .jsonl or .csv; - is standard input, line by line.
    """
    from assay.components.sources.text.texts import read_rows
    from assay.evaluation.novelty.results import novelty_data, novelty_filter, novelty_result

    _check(out, stream=stream, as_json=as_json)
    rule = _rule(at_most, below)
    references = read_rows(against, field or "instruction") if against is not None else []
    filter_ = novelty_filter(rule, words, references)
    streamed = stream or (str(file) == STDIN and out is None and not as_json)
    rows, decisions = (_filter_stream if streamed else _filter_all)(filter_, _rows(file, field))
    if not rows:
        raise UserError("Standard input contains no text.")
    result = novelty_result(rule, words, rows, decisions, references)
    if out is not None:
        _write(out, [row for row, decision in zip(rows, decisions, strict=True) if decision.kept])
    if as_json:
        show(novelty_data(result, rows, decisions, references))
        return
    _print(result, streamed=streamed)
    if out is not None:
        click.echo(f"Kept: {out}")


def _check(out: Path | None, *, stream: bool, as_json: bool) -> None:
    if stream and (out is not None or as_json):
        raise UserError("--stream cannot be combined with --out or --json.")
    if out is not None and not out.parent.is_dir():
        raise UserError(f"{out} cannot be written: the folder {out.parent} does not exist.")


def _filter_stream(filter_: NoveltyFilter, source: Iterator[TextRow]) -> tuple[list[TextRow], list[NoveltyDecision]]:
    rows, decisions = [], []
    for row in source:
        rows.append(row)
        decisions.append(filter_.add(row.text))
        if decisions[-1].kept:
            click.echo(row.raw)
    return rows, decisions


def _filter_all(filter_: NoveltyFilter, source: Iterator[TextRow]) -> tuple[list[TextRow], list[NoveltyDecision]]:
    rows = list(source)
    return rows, filter_.add_all(row.text for row in rows)


def _rule(at_most: float | None, below: float | None) -> NoveltyRule:
    from assay.text.similarity.novelty import NoveltyRule

    if at_most is not None and below is not None:
        raise UserError("--at-most and --below are mutually exclusive.")
    try:
        if below is not None:
            return NoveltyRule(below, strict=True)
        return NoveltyRule() if at_most is None else NoveltyRule(at_most)
    except ValueError as error:
        raise UserError(str(error)) from error


def _rows(file: Path, field: str | None) -> Iterator[TextRow]:
    from assay.components.sources.text.texts import read_rows, rows_of

    if str(file) == STDIN:
        return rows_of(sys.stdin.buffer, "standard input", field)
    return iter(read_rows(file, field or "instruction"))


def _write(out: Path, rows: list[TextRow]) -> None:
    from assay.store.atomic import write_bytes

    lines = [row.raw if row.record else json.dumps({"text": row.text}, ensure_ascii=False) for row in rows]
    write_bytes(out, "".join(f"{line}\n" for line in lines).encode("utf-8"))


def _print(result: NoveltyResult, *, streamed: bool) -> None:
    from assay.evaluation.novelty.results import summary

    for sentence in summary(result):
        click.echo(sentence, err=streamed)
    if not result.repeated or streamed:
        return
    click.echo("\nMost repeated:")
    rows = [
        [
            f"{repeated.count:,}",
            f"{'given ' if repeated.from_against else ''}line {repeated.nearest.line}: {_short(repeated.nearest.text)}",
            f"{repeated.score:.4f}",
            f"line {repeated.example.line}: {_short(repeated.example.text)}",
        ]
        for repeated in result.repeated[:SHOWN]
    ]
    table(["dropped", "kept text", "F1", "first near-duplicate"], rows)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
