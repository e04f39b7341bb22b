"""assay judge: a language model grades texts or compares answers, and is audited while it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from assay.core.errors import UserError
from assay.terminal.money import BUDGET, announce, paid_data, paid_line
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.judging.engine import Judge, Judging, Question
    from assay.judging.results import Counts, PairsResult, RateResult
    from assay.models.remote.budget import Account, Budget
    from assay.pipeline.cost.asks import Asks
    from assay.text.answers.grades import Grades

FILE = click.argument("file", type=click.Path(path_type=Path))
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/judge"),
    show_default=True,
    help="Where answers are kept.",
)
BY = click.option(
    "--by",
    type=click.Choice(["auto", "answers", "likelihood"]),
    default="auto",
    show_default=True,
    help="Read what the judge writes, or compare probabilities of grades or letters; auto: those where it shows them.",
)
COLUMN = click.option("--column", "columns", multiple=True, metavar="NAME=COLUMN", help="What the file calls NAME.")
LIMIT = click.option("--limit", type=click.IntRange(1), help="Only the first so many rows.")
TOKENS = click.option("--max-tokens", type=click.IntRange(1), default=64, show_default=True, help="Of an answer.")
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of ids and samples.")


@click.group()
def command() -> None:
    """Let a language model grade texts or compare answers; how far to believe it is printed with every judging."""


@command.command()
@FILE
@click.option("--judge", "reference", required=True, help="Any language model.")
@click.option("--criteria", required=True, help="What makes a text good.")
@click.option("--dimension", default="", help="What the grade is called, such as accuracy.")
@click.option("--steps", type=click.Path(path_type=Path), help="Evaluation steps; asked from the judge where left out.")
@click.option("--no-steps", is_flag=True, help="Grade by the criteria alone.")
@click.option("--scale", default="1-5", show_default=True, help="LOW-HIGH, or LOW-HIGH:STEP such as 0-5:0.5.")
@click.option("--samples", type=click.IntRange(1, 256), default=1, show_default=True, help="Answers to be averaged.")
@BY
@COLUMN
@LIMIT
@TOKENS
@SEED
@BUDGET
@OUT
@JSON
def rate(file: Path, reference: str, criteria: str, scale: str, as_json: bool, **options: Any) -> None:
    """Grade each output in FILE, as G-Eval does: .csv or .jsonl of output, and if there are such history (messages
    before the instruction), instruction, input, human (a number, to compare with) and reference (for ROUGE beside it).
    """  # noqa: D205 -- click prints the first paragraph
    from assay.components.sources.files.judgments import read_rated
    from assay.judging.data import rate_data, rate_rows
    from assay.judging.engine import judge_of
    from assay.judging.page.page import render_rate
    from assay.judging.rate import rate as graded
    from assay.judging.rate import rate_questions, with_steps
    from assay.judging.results import rate_result
    from assay.pipeline.environment import LANGUAGE, environment
    from assay.text.prompting.judge_prompts import Rubric

    judge = judge_of(reference, options["by"], **_usual(options, samples=options["samples"]))
    items = read_rated(file, _columns(options["columns"]), options["limit"])
    try:
        rubric = Rubric(criteria, _steps(options["steps"]), _grades(scale), options["dimension"])
    except ValueError as error:
        raise UserError(str(error)) from error
    judging, money = _judging(options, quiet=as_json)
    if not rubric.steps and not options["no_steps"]:
        rubric = with_steps(judging, judge, rubric)
    questions = rate_questions(judge, rubric, items, options["seed"])
    announce(_expected(judging, {judge: questions}), money.budget)
    judged = graded(judging, judge, rubric, items, options["seed"])
    result = rate_result(judged)
    data = {**rate_data(result, judged), "cost": paid_data(*money)}
    _keep(judging, data, rate_rows(judged))
    judging.folder.write_text("report.html", render_rate(judged, result, environment(LANGUAGE), seed=options["seed"]))
    if as_json:
        show(data)
        return
    click.echo(f"Criteria: {criteria}" + (f"\nSteps:\n{rubric.steps}" if rubric.steps else "") + "\n")
    _print_rate(result)
    _print_paid([reference], money)
    click.echo(f"\nAnswers, judged.jsonl, results.json and report.html: {judging.folder.path}")


@command.command()
@FILE
@click.option("--judge", "references", multiple=True, required=True, help="Any language model; several are compared.")
@click.option("--family", "families", multiple=True, metavar="REF=NAME", help="Whose answers are a judge's own.")
@click.option("--allow-ties", is_flag=True, help="Let the judge say that neither is better.")
@BY
@COLUMN
@LIMIT
@TOKENS
@SEED
@BUDGET
@OUT
@JSON
def pairs(file: Path, references: tuple[str, ...], allow_ties: bool, as_json: bool, **options: Any) -> None:
    """Say which of two answers in FILE is better, each pair in both orders: .csv or .jsonl of instruction, output_a,
    output_b, and if there are such history (messages before), input, model_a, model_b (who wrote them), label (a, b or
    tie, by people), reference.
    """  # noqa: D205 -- click prints the first paragraph
    from assay.components.sources.files.judgments import read_pairs
    from assay.judging.data import pair_rows, pairs_data
    from assay.judging.engine import judge_of
    from assay.judging.page.page import render_pairs
    from assay.judging.pairs import judge_pairs, pair_questions
    from assay.judging.results import favors, pairs_result
    from assay.pipeline.environment import LANGUAGE, environment

    if twice := next((one for one in references if references.count(one) > 1), None):
        raise UserError(f"The judge {twice!r} is there twice.")
    own = _families(options["families"], references)
    judges = [judge_of(one, options["by"], **_usual(options, family=own.get(one, ""))) for one in references]
    items = read_pairs(file, _columns(options["columns"]), options["limit"])
    judging, money = _judging(options, quiet=as_json)
    questions = {one: pair_questions(one, items, ties=allow_ties, seed=options["seed"]) for one in judges}
    announce(_expected(judging, questions), money.budget)
    judged = [judge_pairs(judging, one, items, ties=allow_ties, seed=options["seed"]) for one in judges]
    results, favor = [pairs_result(one) for one in judged], favors(judged)
    data = {**pairs_data(results, favor), "cost": paid_data(*money)}
    _keep(judging, data, pair_rows(judged))
    page = render_pairs(judged, results, favor, environment(LANGUAGE), ties=allow_ties, seed=options["seed"])
    judging.folder.write_text("report.html", page)
    if as_json:
        show(data)
        return
    from assay.judging.page.text import CONFLICTS, favor_sentences

    _print_pairs(results)
    click.echo("\n" + "\n".join([*favor_sentences(references, favor), CONFLICTS]))
    _print_paid(references, money)
    click.echo(f"\nAnswers, judged.jsonl, results.json and report.html: {judging.folder.path}")


def _usual(options: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"max_tokens": options["max_tokens"], "seed": options["seed"], **more}


class Money(NamedTuple):
    """What may be spent, and what was before."""

    budget: Budget
    before: Account


def _judging(options: dict[str, Any], *, quiet: bool) -> tuple[Judging, Money]:
    from assay.judging.engine import Judging
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.pipeline.progress import Lines, Silent
    from assay.store.run_folder import RunFolder

    folder = RunFolder.open(options["out"], create=True)
    budget = Budget(options["budget"], folder.ledger)
    judging = Judging(folder, OpenModels(budget=budget), Silent() if quiet else Lines())
    return judging, Money(budget, budget.account)


def _expected(judging: Judging, questions: Mapping[Judge, Sequence[Question]]) -> list[Asks]:
    from assay.pipeline.cost.asks import expected

    return expected("judge", {judge.reference: judging.requests(judge, own) for judge, own in questions.items()})


def _print_paid(references: Sequence[str], money: Money) -> None:
    from assay.models.remote.services import is_remote

    if any(map(is_remote, references)):
        click.echo("\n" + paid_line(*money))


def _keep(judging: Judging, data: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    judging.folder.write_json("results.json", data)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    judging.folder.write_text("judged.jsonl", "\n".join(lines) + "\n")


def _columns(given: tuple[str, ...]) -> dict[str, str]:
    pairs_of = dict(one.split("=", 1) for one in given if "=" in one)
    if len(pairs_of) < len(given):
        raise UserError("--column takes NAME=COLUMN, each NAME once.", hint="Such as --column output=summary.")
    return pairs_of


def _families(given: tuple[str, ...], references: tuple[str, ...]) -> dict[str, str]:
    # An address may hold "=", a family's name does not.
    found = {reference: name for reference, sign, name in (one.rpartition("=") for one in given) if sign}
    if len(found) < len(given) or not set(found) <= set(references):
        raise UserError(
            f"--family takes REF=NAME for one of the judges, was {', '.join(given)}.",
            hint=f"The judges are {', '.join(references)}.",
        )
    return found


def _steps(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        steps = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as evaluation steps: {error}.") from error
    if not steps:
        raise UserError(f"{path} holds no evaluation steps.", hint="Write one a line, or use --no-steps.")
    return steps


def _grades(text: str) -> Grades:
    from assay.text.answers.grades import Grades

    ends, _, step = text.partition(":")
    low, _, high = ends.partition("-")
    try:
        numbers = float(low), float(high), float(step or 1)
    except ValueError as error:
        raise UserError(f"--scale takes LOW-HIGH or LOW-HIGH:STEP, was {text!r}.", hint="Such as 1-5.") from error
    return Grades(*numbers)


def _counted(counts: Counts) -> list[str]:
    from assay.analysis.format import count

    return [f"{count(counts.scored)} of {count(counts.n)}", str(counts.unparsed), str(counts.failed)]


def _spent(counts: Counts) -> list[str]:
    from assay.analysis.format import dollars, seconds

    return [seconds(counts.seconds), dollars(counts.dollars) if counts.dollars != 0 else ""]


def _print_pairs(results: list[PairsResult]) -> None:
    from assay.analysis.format import percent, percent_between
    from assay.judging.page.text import how, pairs_sentences

    rows = []
    for one in results:
        said = [one.judge.reference, how(one), *_counted(one.counts)]
        rates = [(name, percent(wins.estimate), percent_between(wins)) for name, wins in one.wins]
        rows += [[*said, *rate, *_spent(one.counts)] for rate in rates or [("-", "-", "-")]]
    heads = ["judge", "by", "scored", "unparsed", "failed", "wins", "rate", "95 % interval", "time", "cost"]
    table(heads, rows)
    for one in results:
        click.echo("\n" + "\n".join([f"{one.judge.reference}:", *(f"  {said}" for said in pairs_sentences(one))]))


def _print_rate(result: RateResult) -> None:
    from assay.judging.page.text import how, rate_sentences

    mean = result.mean
    between = f"{mean.low:.2f} to {mean.high:.2f}" if mean is not None and mean.low is not None else "-"
    row = [result.judge.reference, how(result), *_counted(result.counts), f"{mean.estimate:.2f}" if mean else "-"]
    heads = ["judge", "by", "scored", "unparsed", "failed", "mean grade", "95 % interval", "time", "cost"]
    table(heads, [[*row, between, *_spent(result.counts)]])
    if result.mean is not None:
        click.echo("Grades: " + ", ".join(f"{grade:g} on {texts}" for grade, texts in result.grades if texts))
    click.echo("\n" + "\n".join(rate_sentences(result)))
