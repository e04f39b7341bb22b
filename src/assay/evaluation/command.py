"""assay eval: models x tasks x prompts x decodings, one table."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from assay.terminal.money import BUDGET, announce, paid_data, paid_line
from assay.terminal.options import JSON, show

TASK_HELP = (
    "mmlu:FOLDER, gsm8k:FILE, truthfulqa:FILE, truthfulqa-mc2:FILE, a .csv or .jsonl of your own, or harness:NAME: a "
    "task, group or task file (YAML) of lm-evaluation-harness, which is asked and decoded as it says."
)
PROMPT_HELP = (
    "zero-shot, few-shot:K, chain-of-thought:K or zero-shot-cot; or letter:K, text:K or text-normalized:K, which ask "
    "nothing and compare how probable the choices are. Of these a harness task takes zero-shot and few-shot:K."
)
MEASURE_HELP = (
    "Of written answers: right, rouge-1, rouge-2, rouge-l, rouge-lsum, chrf, chrf++, bleu, bleu:zh, cosine or "
    "cosine:ENCODER; of a harness task its metric, such as acc_norm. May be given several times: nobody is asked again."
)


@click.command()
@click.option("--model", "models", multiple=True, required=True, help="Any language model; may be given several times.")
@click.option("--task", "tasks", multiple=True, required=True, help=TASK_HELP)
@click.option("--prompt", "prompts", multiple=True, help=PROMPT_HELP)
@click.option("--decode", "decodings", multiple=True, help="Such as greedy or top-p:0.9,temperature:0.7.")
@click.option("--measure", "measures", multiple=True, help=MEASURE_HELP)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many questions, of each subject.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Of an answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of sampling.")
@BUDGET
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/eval"),
    show_default=True,
    help="Where answers are kept.",
)
@JSON
def command(
    models: tuple[str, ...], tasks: tuple[str, ...], prompts: tuple[str, ...], decodings: tuple[str, ...],
    measures: tuple[str, ...], out: Path, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Measure language models on questions whose answers are known. Answers are kept: a second run asks what is new."""
    from assay.core.decoding import parse_strategy
    from assay.evaluation.page.groups import more_data
    from assay.evaluation.page.page import render_eval
    from assay.evaluation.page.verdict import finding
    from assay.evaluation.plan import cells, parse_manner
    from assay.evaluation.results import comparisons, result, to_data
    from assay.evaluation.run import Evaluation
    from assay.evaluation.table import print_comparisons, print_table
    from assay.evaluation.tasks import parse_task
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.models.remote.services import is_remote
    from assay.pipeline.environment import LANGUAGE, environment
    from assay.pipeline.progress import Silent, watched
    from assay.store.run_folder import RunFolder

    usual = {"max_tokens": options["max_tokens"], "seed": options["seed"]}
    chosen = cells(
        models,
        [parse_task(one, options["limit"]) for one in tasks],
        [parse_manner(one) for one in prompts],
        [parse_strategy(one, **usual) for one in decodings],
        measures,
        usual=parse_strategy("greedy", **usual),
    )
    folder = RunFolder.open(out, create=True)
    budget = Budget(options["budget"], folder.ledger)
    before, opened = budget.account, OpenModels(budget=budget)
    with nullcontext(Silent()) if as_json else watched() as reporter:
        filled = Evaluation(chosen, folder, opened, reporter, lambda asks: announce(asks, budget)).run()
    results, compared = [result(one) for one in filled], comparisons(filled)
    data = {**to_data(results, compared), **more_data(filled, finding(filled, results, compared))}
    data["cost"] = paid_data(budget, before)
    folder.write_json("results.json", data)
    folder.write_text("report.html", render_eval(filled, results, compared, environment(LANGUAGE)))
    if as_json:
        show(data)
        return
    print_table(results)
    print_comparisons(compared)
    if any(map(is_remote, models)):
        click.echo("\n" + paid_line(budget, before))
    click.echo(f"\nAnswers, results.json and report.html: {folder.path}")
