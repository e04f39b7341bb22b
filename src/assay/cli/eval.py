"""assay eval: models x tasks x prompts x decodings, one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.cli.options import JSON, show, table

if TYPE_CHECKING:
    from assay.core.decoding import Decoding
    from assay.pipeline.eval_plan import Cell
    from assay.report.eval_results import CellResult, Comparison, Spread

TASK_HELP = "mmlu:FOLDER, gsm8k:FILE, truthfulqa:FILE, truthfulqa-mc2:FILE, or a .csv or .jsonl of your own."
PROMPT_HELP = (
    "zero-shot, few-shot:K, chain-of-thought:K or zero-shot-cot; or letter:K, text:K or text-normalised:K, which ask "
    "nothing and compare how probable the choices are."
)


@click.command()
@click.option("--model", "models", multiple=True, required=True, help="Any language model; may be given several times.")
@click.option("--task", "tasks", multiple=True, required=True, help=TASK_HELP)
@click.option("--prompt", "prompts", multiple=True, help=PROMPT_HELP)
@click.option("--decode", "decodings", multiple=True, help="Such as greedy or top-p:0.9,temperature:0.7.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many questions, of each subject.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Of an answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of sampling.")
@click.option("--budget", type=click.FloatRange(0), help="Dollars that closed models may cost, over all sessions.")
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
    out: Path, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Measure language models on questions whose answers are known. Answers are kept: a second run asks what is new."""
    from assay.models.budget import Budget
    from assay.models.open_models import OpenModels
    from assay.pipeline.eval_plan import cells, parse_manner
    from assay.pipeline.eval_run import Evaluation
    from assay.pipeline.eval_tasks import parse_task
    from assay.pipeline.progress import Silent, watched
    from assay.pipeline.run import LANGUAGE, environment
    from assay.report.eval_groups import more_data
    from assay.report.eval_page import render_eval
    from assay.report.eval_results import comparisons, result, to_data
    from assay.report.eval_verdict import finding
    from assay.store.run_folder import RunFolder
    from assay.text.strategies import parse_strategy

    usual = {"max_tokens": options["max_tokens"], "seed": options["seed"]}
    chosen = cells(
        models,
        [parse_task(one, options["limit"]) for one in tasks],
        [parse_manner(one) for one in prompts or ("zero-shot",)],
        [parse_strategy(one, **usual) for one in decodings or ("greedy",)],
    )
    folder = RunFolder.open(out, create=True)
    opened = OpenModels(budget=Budget(options["budget"], folder.ledger))
    if as_json:
        filled = Evaluation(chosen, folder, opened, Silent()).run()
    else:
        with watched() as reporter:
            filled = Evaluation(chosen, folder, opened, reporter).run()
    results, compared = [result(one) for one in filled], comparisons(filled)
    data = {**to_data(results, compared), **more_data(filled, finding(filled, results, compared))}
    folder.write_json("results.json", data)
    folder.write_text("report.html", render_eval(filled, results, compared, environment(LANGUAGE)))
    if as_json:
        show(data)
        return
    _print(results)
    _print_comparisons(compared)
    click.echo(f"\nAnswers, results.json and report.html: {folder.path}")


def _print(results: list[CellResult]) -> None:
    from assay.report.eval_results import UNSEEN, over_tasks
    from assay.report.words import percent

    named = [_names(one.cell) for one in results]
    same = [name for name in named[0] if len({row[name] for row in named}) == 1]
    click.echo("\n" + ", ".join(f"{name} {named[0][name]}" for name in same))
    heads = [name for name in named[0] if name not in same]
    rows = [[row[name] for name in heads] + _numbers(one) for row, one in zip(named, results, strict=True)]
    paid = any(one.dollars != 0 for one in results)
    numbers = ["scored", "right", "95 % interval", "prompts", "time", "tokens", *(["cost"] if paid else [])]
    table([*heads, *numbers], [row[: len(heads) + len(numbers)] for row in rows])
    click.echo(f"Right: {UNSEEN}.")
    for task in dict.fromkeys(one.cell.task.name for one in results if one.cell.task.measure == "mass"):
        click.echo(f"On {task} it is the share of probability that the right choices hold, not of questions.")
    for task, share in {one.cell.task.name: one.chance for one in results if one.chance is not None}.items():
        click.echo(f"Guessing gives {percent(share)} on {task}.")
    for one in results:
        if one.subjects is not None:
            click.echo(f"{_told(one.cell, same)}: over {_spread(one.subjects, 'subjects')}")
    for cell, found in over_tasks(results):
        click.echo(f"{_told(cell, [*same, 'task'])}: over {_spread(found, 'tasks')}")


def _names(cell: Cell) -> dict[str, str]:
    parts = {"model": cell.model, "task": cell.task.name, "prompt": cell.manner.name}
    return {**parts, "decoding": _decoding(cell.decoding)}


def _told(cell: Cell, same: list[str]) -> str:
    return ", ".join(value for name, value in _names(cell).items() if name not in same) or cell.task.name


def _numbers(one: CellResult) -> list[str]:
    from assay.report.words import count, dollars, percent, percent_between, seconds, tokens

    return [
        f"{count(one.scored)} of {count(one.n)}",
        percent(one.accuracy.estimate) if one.accuracy else "-",
        percent_between(one.accuracy) if one.accuracy else "-",
        one.prompt,
        seconds(one.seconds),
        tokens(one.tokens),
        dollars(one.dollars),
    ]


def _spread(found: Spread, of: str) -> str:
    from assay.report.words import percent

    apart = f", standard deviation {percent(found.sd)}" if found.sd is not None else ""
    return f"{found.groups} {of} a mean of {percent(found.mean)} ({percent(found.low)} to {percent(found.high)}{apart})"


def _print_comparisons(compared: list[Comparison]) -> None:
    from assay.report.words import points_between, signed

    rows = []
    for one in compared:
        ours, theirs = _names(one.ours), _names(one.theirs)
        differ = [name for name in ours if ours[name] != theirs[name] and name in (one.what, "decoding")]
        rows.append(
            [
                " against ".join(", ".join(side[name] for name in differ) for side in (ours, theirs)),
                ", ".join(value for name, value in ours.items() if name not in differ),
                str(one.n),
                signed(one.compared.effect.estimate),
                points_between(one.compared.effect),
                one.compared.verdict,
            ]
        )
    if rows:
        click.echo()
        table(["compared", "on", "questions", "points", "95 % interval", "verdict"], rows)


def _decoding(decoding: Decoding | None) -> str:
    if decoding is None:
        return "likelihood"
    parts = [decoding.strategy if decoding.strategy != "beam" else f"beam:{decoding.beams}"]
    parts += [f"{name.replace('_', '-')}:{getattr(decoding, name):g}" for name in sorted(decoding.controls - {"stop"})]
    return ",".join(parts)
