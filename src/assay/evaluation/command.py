"""assay eval: models x tasks x prompts x decodings in one table."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.decoding import parse_strategy
from assay.terminal.money import BUDGET, announce, paid_data, paid_line
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.evaluation.plan import EvalCell
    from assay.evaluation.results import CellComparison, CellResult, MacroAverage, NumberKind

TASK_HELP = (
    "mmlu:FOLDER, gsm8k:FILE, truthfulqa:FILE, truthfulqa-mc2:FILE, a .csv or .jsonl file, or harness:NAME for a task, "
    "group or task file (YAML) of lm-evaluation-harness with its own prompts and decoding. Repeat for several."
)
PROMPT_HELP = (
    "Prompting method: zero-shot, few-shot:K, chain-of-thought:K or zero-shot-cot; or letter:K, text:K or "
    "text-normalized:K to compare log-likelihoods of the choices. A harness task accepts zero-shot and few-shot:K."
)
METRIC_HELP = (
    "Metric: accuracy, rouge-1, rouge-2, rouge-l, rouge-lsum, chrf, chrf++, bleu, bleu:zh, cosine or cosine:ENCODER; "
    "for a harness task one of its metrics, such as acc_norm. Repeat for several: stored answers are reused."
)


@click.command()
@click.option("--model", "models", multiple=True, required=True, help="Language model; repeat for several.")
@click.option("--task", "tasks", multiple=True, required=True, help=TASK_HELP)
@click.option("--prompt", "prompts", multiple=True, help=PROMPT_HELP)
@click.option(
    "--decode", "decodings", multiple=True, help="Decoding strategy, such as greedy or top-p:0.9,temperature:0.7."
)
@click.option("--metric", "metrics", multiple=True, help=METRIC_HELP)
@click.option("--limit", type=click.IntRange(1), help="Maximum number of questions per subject.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Maximum tokens per answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Sampling seed.")
@BUDGET
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/eval"),
    show_default=True,
    help="Folder of answers and results.",
)
@JSON
def command(
    models: tuple[str, ...], tasks: tuple[str, ...], prompts: tuple[str, ...], decodings: tuple[str, ...],
    metrics: tuple[str, ...], out: Path, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Evaluate language models on tasks.

    Tasks are benchmarks or your own questions. Stored answers are reused.
    """
    from assay.evaluation.findings import finding, more_data
    from assay.evaluation.plan import cells, parse_prompt_setup
    from assay.evaluation.report import render_eval
    from assay.evaluation.results import comparisons, result, to_data
    from assay.evaluation.run import Evaluation
    from assay.evaluation.tasks import parse_task
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.models.remote.services import is_remote
    from assay.pipeline.environment import LANGUAGE_PACKAGES, environment
    from assay.pipeline.progress import SilentReporter, terminal_reporter
    from assay.store.run_folder import RunFolder

    usual = {"max_tokens": options["max_tokens"], "seed": options["seed"]}
    grid = cells(
        models,
        [parse_task(name, options["limit"]) for name in tasks],
        [parse_prompt_setup(name) for name in prompts],
        [parse_strategy(name, **usual) for name in decodings],
        metrics,
        usual=parse_strategy("greedy", **usual),
    )
    folder = RunFolder.open(out, create=True)
    budget = Budget(options["budget"], folder.ledger)
    before, opened = budget.account, OpenModels(budget=budget)
    with nullcontext(SilentReporter()) if as_json else terminal_reporter() as reporter:
        evaluated = Evaluation(grid, folder, opened, reporter, lambda asks: announce(asks, budget)).run()
    results, compared = [result(cell) for cell in evaluated], comparisons(evaluated)
    data = {**to_data(results, compared), **more_data(evaluated, finding(evaluated, results, compared))}
    data["cost"] = paid_data(budget, before)
    folder.write_json("results.json", data)
    folder.write_text("report.html", render_eval(evaluated, results, compared, environment(LANGUAGE_PACKAGES)))
    if as_json:
        show(data)
        return
    print_table(results)
    print_comparisons(compared)
    if any(map(is_remote, models)):
        click.echo("\n" + paid_line(budget, before))
    click.echo(f"\nResults: {folder.path} (answers, results.json, report.html)")


def print_table(results: Sequence[CellResult]) -> None:
    """Print one row per cell, then the counting rules, chance levels and macro averages."""
    from assay.evaluation.results import task_averages

    named = [_names(result.cell) for result in results]
    same = [name for name in named[0] if len({row[name] for row in named}) == 1]
    common = [name for name in same if (name, named[0][name]) != ("metric", "accuracy")]
    click.echo("\n" + ", ".join(f"{name} {named[0][name]}" for name in common))
    heads = [name for name in named[0] if name not in same]
    rows = [[row[name] for name in heads] + _numbers(result) for row, result in zip(named, results, strict=True)]
    paid = any(result.dollars != 0 for result in results)
    number = "accuracy" if {row["metric"] for row in named} == {"accuracy"} else "mean"
    numbers = ["scored", number, "95% CI", "prompts", "time", "tokens", *(["cost"] if paid else [])]
    table([*heads, *numbers], [row[: len(heads) + len(numbers)] for row in rows])
    _print_counting(results, same)
    kinds = {id(result.cell): result.kind for result in results}
    for result in results:
        if result.subjects is not None:
            what = "tasks" if result.cell.task.harness is not None else "subjects"
            click.echo(f"{_short_name(result.cell, same)}: {_macro(result.subjects, what, result.kind)}")
    for cell, average in task_averages(results):
        click.echo(f"{_short_name(cell, [*same, 'task'])}: {_macro(average, 'tasks', kinds[id(cell)])}")


def _print_counting(results: Sequence[CellResult], same: Sequence[str]) -> None:
    from assay.analysis.format import percent
    from assay.evaluation.results import EMPTY_RULE, UNPARSED_RULE

    graders = {result.cell.metric.grader for result in results}
    if any(result.cell.metric.name == "accuracy" for result in results):
        click.echo(f"Accuracy: {UNPARSED_RULE}.")
    descriptions: dict[str, dict[str, None]] = {}
    for metric in (result.cell.metric for result in results if result.cell.metric.description):
        words = f"{metric.description}{' Lower is better.' if metric.better == 'lower' else ''}"
        descriptions.setdefault(words, {})[metric.name] = None
    for words, names in descriptions.items():
        click.echo(f"{', '.join(names)}: {words}")
    if "text" in graders:
        click.echo(f"Text metrics: {EMPTY_RULE}.")
    for result in results:
        if lost := _losses(result):
            click.echo(f"{_short_name(result.cell, same)}: {lost}.")
    for name, rate in {result.cell.task.name: result.chance for result in results if result.chance is not None}.items():
        click.echo(f"Chance level on {name}: {percent(rate)}.")


def _losses(result: CellResult) -> str:
    unparsed = "were empty" if result.cell.metric.grader == "text" else "could not be parsed"
    parts = [f"{result.unparsed} of {result.n} answers {unparsed}"] if result.unparsed else []
    if result.failed:
        parts.append(f"{result.failed} of {result.n} questions failed and are excluded ({result.failure})")
    return ", ".join(parts)


def _names(cell: EvalCell) -> dict[str, str]:
    from assay.evaluation.findings import names

    return {**names(cell), "metric": cell.metric.name}


def _short_name(cell: EvalCell, same: Sequence[str]) -> str:
    return ", ".join(value for name, value in _names(cell).items() if name not in same) or cell.task.name


def _numbers(result: CellResult) -> list[str]:
    from assay.analysis.format import count, dollars, seconds, tokens
    from assay.analysis.measures import between, value

    return [
        f"{count(result.scored)} of {count(result.n)}",
        value(result.accuracy.estimate, result.kind == "proportion") if result.accuracy else "-",
        between(result.accuracy, result.kind == "proportion") if result.accuracy else "-",
        result.prompt,
        seconds(result.seconds),
        tokens(result.tokens),
        dollars(result.dollars),
    ]


def _macro(average: MacroAverage, of: str, kind: NumberKind) -> str:
    from assay.analysis.measures import value

    proportion = kind == "proportion"
    mean, low, high = (value(number, proportion) for number in (average.mean, average.low, average.high))
    apart = f", standard deviation {value(average.sd, proportion)}" if average.sd is not None else ""
    return f"{average.groups} {of}, macro average {mean} (range {low} to {high}{apart})"


def print_comparisons(compared: Sequence[CellComparison]) -> None:
    """Print the paired comparisons of cells that differ in one factor."""
    from assay.analysis.format import number_between, points_between, signed, signed_number
    from assay.evaluation.findings import caution

    rows = []
    several = len({comparison.ours.metric for comparison in compared}) > 1
    for comparison in compared:
        ours, theirs = _names(comparison.ours), _names(comparison.theirs)
        differ = [name for name in ours if ours[name] != theirs[name] and name in (comparison.what, "decoding")]
        on = [value for name, value in ours.items() if name not in differ and (name != "metric" or several)]
        difference, proportion = comparison.compared.effect, comparison.kind == "proportion"
        rows.append(
            [
                " vs. ".join(", ".join(side[name] for name in differ) for side in (ours, theirs)),
                ", ".join(on),
                str(comparison.n),
                signed(difference.estimate) if proportion else signed_number(difference.estimate),
                points_between(difference) if proportion else number_between(difference, sign=True),
                comparison.verdict,
            ]
        )
    if rows:
        by = "difference (pp)" if all(comparison.kind == "proportion" for comparison in compared) else "difference"
        click.echo()
        table(["comparison", "on", "questions", by, "95% CI", "verdict"], rows)
        if len({comparison.kind for comparison in compared}) > 1:
            click.echo("Differences of proportions are in percentage points (pp), others in the unit of the metric.")
        for note in dict.fromkeys(filter(None, map(caution, compared))):
            click.echo(note)
