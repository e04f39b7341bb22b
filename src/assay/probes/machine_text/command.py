"""assay probe ai-text: which texts look as if a machine had written them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table
from assay.terminal.texts import texts_of

if TYPE_CHECKING:
    from assay.core.score import Outcome
    from assay.probes.machine_text.probe import Detector, Measured, Method
    from assay.stats.confidence.detection import FlaggingThreshold

WIDTH = 48
"""Characters of a text that are printed."""
LIMITS = (
    "Short, edited or translated text, and text that is not English, is not decidable; plain writers are flagged more "
    "often than others. A flag is no proof."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--method",
    type=click.Choice(["fast-detectgpt", "binoculars"]),
    default="fast-detectgpt",
    show_default=True,
    help="Conditional curvature, or perplexity beside cross-perplexity.",
)
@click.option("--model", default="embedded:smollm2", show_default=True, help="Any open language model.")
@click.option("--second", default="", help="Fast-DetectGPT's sampling model, Binoculars' observer; --model by default.")
@click.option("--human", type=click.Path(path_type=Path), help="Texts that people wrote: they say where the line is.")
@click.option(
    "--false-alarms",
    "share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of people's texts that may lie above the line.",
)
@click.option("--whole", is_flag=True, help="FILE is one text, not one on each line.")
@click.option("--column", help="Of a .csv or .jsonl file: which column holds the texts, in --human too.")
@JSON
def command(
    file: Path,
    method: Method,
    model: str,
    second: str,
    human: Path | None,
    share: float,
    whole: bool,
    column: str | None,
    as_json: bool,
) -> None:
    """Say which texts of FILE look as if a machine had written them, by how probable their words are.

    A .json file {"original": [...], "sampled": [...]} holds texts of people and of a machine in pairs: of those it is
    measured how well the detector tells them apart.
    """
    from assay.models.open_models import OpenModels
    from assay.pipeline.progress import Lines, Silent
    from assay.probes.machine_text.probe import detector, line_of, read

    of = detector(method, model, second)
    reporter = Silent() if as_json else Lines()

    def judged(texts: Sequence[str]) -> list[Outcome]:
        reporter.begin("texts read", len(texts), 0)
        return read(of, texts, OpenModels(), reporter.advance)

    if file.suffix.lower() == ".json":
        if human or whole or column:
            raise UserError("A .json file of pairs goes without --human, --whole and --column.")
        _measure(file, of, share, judged, as_json=as_json)
        return
    texts = texts_of(file, whole=whole, column=column)
    people = None
    if human is not None:
        table_ = human.suffix.lower() not in ("", ".txt")
        people = texts_of(human, whole=False, column=column if table_ else None)
    line = line_of(of, judged(people), share) if people is not None else None
    found = judged(texts)
    if as_json:
        show({**_how(of), "line": asdict(line) if line else None, "texts": [_data(of, one, line) for one in found]})
        return
    _print(of, texts, found, line)


def _how(of: Detector) -> dict[str, Any]:
    second = getattr(of, "writer", "") or getattr(of, "observer", "") or of.model
    return {"method": type(of).__name__, "model": of.model, "second": second, "limits": LIMITS}


def _data(of: Detector, one: Outcome, line: FlaggingThreshold | None) -> dict[str, Any]:
    from assay.core.score import Score

    if not isinstance(one, Score):
        return {"value": None, "flagged": None, "reason": getattr(one, "reason", "")}
    return {"value": one.value, "flagged": _flagged(of, one.value, line), "evidence": dict(one.evidence)}


def _flagged(of: Detector, value: float, line: FlaggingThreshold | None) -> bool | None:
    from assay.probes.machine_text.probe import sign

    return None if line is None else sign(of) * value > line.at


def _print(of: Detector, texts: Sequence[str], found: Sequence[Outcome], line: FlaggingThreshold | None) -> None:
    from assay.analysis.format import percent, percent_between
    from assay.core.score import Score
    from assay.probes.machine_text.probe import sign

    verdicts = {True: "flagged", False: "not flagged", None: "no line"}
    rows = []
    for nth, (text, one) in enumerate(zip(texts, found, strict=True), start=1):
        if isinstance(one, Score):
            cells = [f"{one.value:.3f}", verdicts[_flagged(of, one.value, line)]]
        else:
            cells = ["-", f"not decidable: {getattr(one, 'reason', '')}"]
        short = " ".join(text[: 4 * WIDTH].split())
        rows.append([f"{nth:,}", *cells, short if len(short) <= WIDTH else f"{short[: WIDTH - 1]}…"])
    table(["text", of.scale.unit, "", "begins"], rows)
    more = "above" if sign(of) > 0 else "below"
    if line is None:
        click.echo(
            f"\nThe further {more}, the more like a machine's. No line is drawn: --human FILE names texts that "
            "people wrote, of the same kind as these, and says where."
        )
    else:
        click.echo(
            f"\nFlagged is what lies {more} {sign(of) * line.at:.3f}. Of {line.false.n:,} texts of people "
            f"{percent(line.false.estimate)} do ({percent_between(line.false)}; at most {percent(line.share)} was "
            "asked for), each by a line that was drawn without it."
        )
    click.echo(LIMITS)


def _measure(
    file: Path, of: Detector, share: float, judged: Callable[[Sequence[str]], list[Outcome]], *, as_json: bool
) -> None:
    from assay.components.sources.text.ai_texts import read_ai_texts
    from assay.probes.machine_text.probe import measure

    texts = read_ai_texts(file)
    found = judged([*texts.people, *texts.machine])
    people, machine = found[: len(texts.people)], found[len(texts.people) :]
    measured = measure(of, people, machine, share)
    if as_json:
        sides = {"original": people, "sampled": machine}
        values = {name: [_data(of, one, measured.line)["value"] for one in side] for name, side in sides.items()}
        show({**_how(of), **asdict(measured), "values": values})
        return
    _print_measured(of, measured, share)


def _print_measured(of: Detector, found: Measured, share: float) -> None:
    from assay.analysis.format import number, number_between, percent, percent_between
    from assay.probes.machine_text.probe import enough, sign

    rows = [
        ["pairs decided", f"{found.people:,}"],
        ["texts not decidable", f"{found.undecided:,}"],
        ["AUROC", f"{number(found.auroc.estimate)} ({number_between(found.auroc)})"],
    ]
    if (line := found.line) is not None and line.found is not None:
        rows += [
            ["line", f"{sign(of) * line.at:.3f}, for at most {percent(line.share)} of people's texts"],
            ["people's texts flagged", f"{percent(line.false.estimate)} ({percent_between(line.false)})"],
            ["machine's texts flagged", f"{percent(line.found.estimate)} ({percent_between(line.found)})"],
        ]
    table([type(of).__name__, of.model], rows)
    if found.line is None:
        click.echo(f"No line: for {percent(share)} it takes {enough(share):,} texts of people that can be decided.")
    click.echo("AUROC is the chance that a machine's text looks more like one than a person's; 0.5 is a coin.")
    click.echo(LIMITS)
