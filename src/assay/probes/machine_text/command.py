"""assay probe machine-text: detect machine-generated text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.options import JSON, show, table, texts_of

if TYPE_CHECKING:
    from assay.core.score import Outcome
    from assay.probes.machine_text.probe import Detector, DetectorMethod, DetectorResult
    from assay.stats.confidence.false_alarms import FlaggingThreshold

WIDTH = 48
"""Characters of a text that are printed."""
LIMITS = (
    "Detection is unreliable for short, edited, translated or non-English text, and flags plain writing "
    "more often. A flag "
    "is not a proof."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--method",
    type=click.Choice(["fast-detectgpt", "binoculars"]),
    default="fast-detectgpt",
    show_default=True,
    help="Conditional probability curvature, or perplexity over cross-perplexity.",
)
@click.option(
    "--model", default="embedded:smollm2", show_default=True, help="Open language model that scores the texts."
)
@click.option(
    "--second", default="", help="Sampling model of Fast-DetectGPT, or observer of Binoculars.  [default: --model]"
)
@click.option(
    "--human", type=click.Path(path_type=Path), help="File of human-written texts that calibrate the threshold."
)
@click.option(
    "--false-positive-rate",
    "rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Maximum false positive rate of the threshold on human texts.",
)
@click.option("--whole", is_flag=True, help="Treat FILE as one text instead of one text per line.")
@click.option("--column", help="Column of the texts in .csv or .jsonl files, also for --human.")
@JSON
def command(
    file: Path,
    method: DetectorMethod,
    model: str,
    second: str,
    human: Path | None,
    rate: float,
    whole: bool,
    column: str | None,
    as_json: bool,
) -> None:
    """Detect machine-generated text in FILE by the token probabilities of a language model.

    For a .json file {"original": [...], "sampled": [...]} with paired human and machine texts, the AUROC of the
    detector is result.
    """
    from assay.models.open_models import OpenModels
    from assay.pipeline.progress import LogLines, SilentReporter
    from assay.probes.machine_text.probe import detector, score_texts, threshold_of

    of = detector(method, model, second)
    reporter = SilentReporter() if as_json else LogLines()

    def score(texts: Sequence[str]) -> list[Outcome]:
        reporter.begin("texts scored", len(texts), 0)
        return score_texts(of, texts, OpenModels(), reporter.advance)

    if file.suffix.lower() == ".json":
        if human or whole or column:
            raise UserError("--human, --whole and --column cannot be combined with a .json file of pairs.")
        _evaluate_detector(file, of, rate, score, as_json=as_json)
        return
    texts = texts_of(file, whole=whole, column=column)
    people = None
    if human is not None:
        table_ = human.suffix.lower() not in ("", ".txt")
        people = texts_of(human, whole=False, column=column if table_ else None)
    line = threshold_of(of, score(people), rate) if people is not None else None
    found = score(texts)
    if as_json:
        show(
            {**_how(of), "threshold": asdict(line) if line else None, "texts": [_data(of, one, line) for one in found]}
        )
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

    verdicts = {True: "flagged", False: "not flagged", None: "no threshold"}
    rows = []
    for nth, (text, one) in enumerate(zip(texts, found, strict=True), start=1):
        if isinstance(one, Score):
            cells = [f"{one.value:.3f}", verdicts[_flagged(of, one.value, line)]]
        else:
            cells = ["-", f"undecided: {getattr(one, 'reason', '')}"]
        short = " ".join(text[: 4 * WIDTH].split())
        rows.append([f"{nth:,}", *cells, short if len(short) <= WIDTH else f"{short[: WIDTH - 1]}…"])
    table(["text", of.scale.unit, "decision", "beginning"], rows)
    more = "above" if sign(of) > 0 else "below"
    if line is None:
        click.echo(
            f"\nValues {'above' if more == 'above' else 'below'} a threshold indicate machine text. To "
            "calibrate a threshold, "
            "give human texts of the same kind with --human FILE."
        )
    else:
        click.echo(
            f"\nThreshold: flagged {more} {sign(of) * line.at:.3f}. False positive rate on "
            f"{line.false.n:,} human texts: "
            f"{percent(line.false.estimate)} ({percent_between(line.false)}), cross-validated; target at most "
            f"{percent(line.share)}."
        )
    click.echo(LIMITS)


def _evaluate_detector(
    file: Path, of: Detector, rate: float, score: Callable[[Sequence[str]], list[Outcome]], *, as_json: bool
) -> None:
    from assay.components.sources.text.ai_texts import read_ai_texts
    from assay.probes.machine_text.probe import measure

    texts = read_ai_texts(file)
    found = score([*texts.people, *texts.machine])
    people, machine = found[: len(texts.people)], found[len(texts.people) :]
    result = measure(of, people, machine, rate)
    if as_json:
        sides = {"original": people, "sampled": machine}
        values = {name: [_data(of, one, result.line)["value"] for one in side] for name, side in sides.items()}
        show({**_how(of), **asdict(result), "values": values})
        return
    _print_measured(of, result, rate)


def _print_measured(of: Detector, found: DetectorResult, rate: float) -> None:
    from assay.analysis.format import number, number_between, percent, percent_between
    from assay.probes.machine_text.probe import enough, sign

    rows = [
        ["decided pairs", f"{found.people:,}"],
        ["undecided texts", f"{found.undecided:,}"],
        ["AUROC", f"{number(found.auroc.estimate)} ({number_between(found.auroc)})"],
    ]
    if (line := found.line) is not None and line.found is not None:
        rows += [
            ["threshold", f"{sign(of) * line.at:.3f}, for a false positive rate of at most {percent(line.share)}"],
            ["false positive rate", f"{percent(line.false.estimate)} ({percent_between(line.false)})"],
            ["true positive rate", f"{percent(line.found.estimate)} ({percent_between(line.found)})"],
        ]
    table([type(of).__name__, of.model], rows)
    if found.line is None:
        click.echo(f"No threshold: a rate of {percent(rate)} needs {enough(rate):,} decided human texts.")
    click.echo("AUROC: probability that a machine text ranks above a human text; 0.5 is chance.")
    click.echo(LIMITS)
