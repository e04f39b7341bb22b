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
    from assay.stats.confidence.detection import FlaggingThreshold

WIDTH = 48
"""Characters of a text that are printed."""
LIMITS = (
    "Detection is unreliable for short, edited, translated or non-English text, and flags plain writing more often. "
    "A flag is not a proof."
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
    detector is reported.
    """
    from assay.models.open_models import OpenModels
    from assay.pipeline.progress import LogLines, SilentReporter
    from assay.probes.machine_text.probe import calibrated_threshold, detector, score_texts

    scorer = detector(method, model, second)
    reporter = SilentReporter() if as_json else LogLines()

    def score(texts: Sequence[str]) -> list[Outcome]:
        reporter.begin("texts scored", len(texts), 0)
        return score_texts(scorer, texts, OpenModels(), reporter.advance)

    if file.suffix.lower() == ".json":
        if human or whole or column:
            raise UserError("--human, --whole and --column cannot be combined with a .json file of pairs.")
        _evaluate(file, scorer, rate, score, as_json=as_json)
        return
    texts = texts_of(file, whole=whole, column=column)
    threshold = None
    if human is not None:
        is_table = human.suffix.lower() not in ("", ".txt")
        human_texts = texts_of(human, whole=False, column=column if is_table else None)
        threshold = calibrated_threshold(scorer, score(human_texts), rate)
    outcomes = score(texts)
    if as_json:
        rows = [_data(scorer, outcome, threshold) for outcome in outcomes]
        show({**_method(scorer), "threshold": asdict(threshold) if threshold else None, "texts": rows})
        return
    _print(scorer, texts, outcomes, threshold)


def _method(scorer: Detector) -> dict[str, Any]:
    second = getattr(scorer, "writer", "") or getattr(scorer, "observer", "") or scorer.model
    return {"method": type(scorer).__name__, "model": scorer.model, "second": second, "limits": LIMITS}


def _data(scorer: Detector, outcome: Outcome, threshold: FlaggingThreshold | None) -> dict[str, Any]:
    from assay.core.score import Score

    if not isinstance(outcome, Score):
        return {"value": None, "flagged": None, "reason": getattr(outcome, "reason", "")}
    return {
        "value": outcome.value,
        "flagged": _flagged(scorer, outcome.value, threshold),
        "evidence": dict(outcome.evidence),
    }


def _flagged(scorer: Detector, value: float, threshold: FlaggingThreshold | None) -> bool | None:
    from assay.probes.machine_text.probe import sign

    return None if threshold is None else sign(scorer) * value > threshold.at


def _print(
    scorer: Detector, texts: Sequence[str], outcomes: Sequence[Outcome], threshold: FlaggingThreshold | None
) -> None:
    from assay.analysis.format import percent, percent_ci
    from assay.core.score import Score
    from assay.probes.machine_text.probe import sign

    decisions = {True: "flagged", False: "not flagged", None: "no threshold"}
    rows = []
    for nth, (text, outcome) in enumerate(zip(texts, outcomes, strict=True), start=1):
        if isinstance(outcome, Score):
            cells = [f"{outcome.value:.3f}", decisions[_flagged(scorer, outcome.value, threshold)]]
        else:
            cells = ["-", f"undecided: {getattr(outcome, 'reason', '')}"]
        short = " ".join(text[: 4 * WIDTH].split())
        rows.append([f"{nth:,}", *cells, short if len(short) <= WIDTH else f"{short[: WIDTH - 1]}…"])
    table(["text", scorer.scale.unit, "decision", "beginning"], rows)
    side = "above" if sign(scorer) > 0 else "below"
    if threshold is None:
        click.echo(
            f"\nValues {side} a threshold indicate machine text. To calibrate a threshold, give human texts of the "
            "same kind with --human FILE."
        )
    else:
        click.echo(
            f"\nThreshold: flagged {side} {sign(scorer) * threshold.at:.3f}. Cross-validated false positive rate on "
            f"human texts: {percent_ci(threshold.false)}; target at most {percent(threshold.share)}."
        )
    click.echo(LIMITS)


def _evaluate(
    file: Path, scorer: Detector, rate: float, score: Callable[[Sequence[str]], list[Outcome]], *, as_json: bool
) -> None:
    from assay.components.sources.text.ai_texts import read_ai_texts
    from assay.probes.machine_text.probe import evaluate_detector

    texts = read_ai_texts(file)
    outcomes = score([*texts.people, *texts.machine])
    people, machine = outcomes[: len(texts.people)], outcomes[len(texts.people) :]
    result = evaluate_detector(scorer, people, machine, rate)
    if as_json:
        sides = {"original": people, "sampled": machine}
        values = {
            name: [_data(scorer, outcome, result.line)["value"] for outcome in side] for name, side in sides.items()
        }
        show({**_method(scorer), **asdict(result), "values": values})
        return
    _print_evaluation(scorer, result, rate)


def _print_evaluation(scorer: Detector, result: DetectorResult, rate: float) -> None:
    from assay.analysis.format import number_ci, percent, percent_ci
    from assay.probes.machine_text.probe import minimum_texts, sign

    rows = [
        ["decided pairs", f"{result.people:,}"],
        ["undecided texts", f"{result.undecided:,}"],
        ["AUROC", number_ci(result.auroc)],
    ]
    if (threshold := result.line) is not None and threshold.found is not None:
        rows += [
            [
                "threshold",
                f"{sign(scorer) * threshold.at:.3f}, for a false positive rate of at most {percent(threshold.share)}",
            ],
            ["false positive rate", percent_ci(threshold.false)],
            ["true positive rate", percent_ci(threshold.found)],
        ]
    table([type(scorer).__name__, scorer.model], rows)
    if result.line is None:
        click.echo(f"No threshold: a rate of {percent(rate)} needs {minimum_texts(rate):,} decided human texts.")
    click.echo("AUROC: probability that a machine text ranks above a human text; 0.5 is chance.")
    click.echo(LIMITS)
