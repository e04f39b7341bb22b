"""assay probe hallucination: does a model know when it does not know?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.probes.output import check_folder, end
from assay.terminal.money import BUDGET_NOW
from assay.terminal.options import JSON, table

if TYPE_CHECKING:
    from assay.core.sample import Sample
    from assay.probes.hallucination.probe import Asking, Probed


@click.command()
@click.option("--model", default="embedded:smollm2", show_default=True, help="Any language model.")
@click.option(
    "--questions",
    type=click.Path(path_type=Path),
    help="TruthfulQA's mc_task.json, or a .csv or .jsonl file of questions with choices; assay's own by default.",
)
@click.option("--limit", type=click.IntRange(2), default=100, show_default=True, help="Questions, drawn by --seed.")
@click.option("--samples", type=click.IntRange(2, 64), default=5, show_default=True, help="Answers drawn to each.")
@click.option("--temperature", type=click.FloatRange(0, 2, min_open=True), default=1.0, show_default=True)
@click.option(
    "--by",
    type=click.Choice(["embedding", "nli", "model"]),
    default="embedding",
    show_default=True,
    help="What says whether two answers mean the same: sentence embeddings, a model of inference, a language model.",
)
@click.option("--judge", help="That model; needed for nli, --model itself for model by default.")
@click.option(
    "--same", type=click.FloatRange(0, 1, min_open=True), default=0.75, show_default=True, help="From which up."
)
@click.option("--max-tokens", type=click.IntRange(1), default=48, show_default=True, help="Of an answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with the curves there.")
@BUDGET_NOW
@JSON
def command(model: str, questions: Path | None, html: Path | None, as_json: bool, **options: Any) -> None:
    """Ask MODEL what people often get wrong, and measure whether it is less sure where it is wrong.

    A written answer counts as right where the known answer nearest to it is a true one. Then risk against coverage: how
    many answers are wrong if the model keeps silent when it is unsure, by each way to tell.
    """
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.pipeline.environment import LANGUAGE, environment
    from assay.pipeline.progress import Lines, Silent
    from assay.probes.hallucination.page import render
    from assay.probes.hallucination.probe import picked, probe

    budget = Budget(options["budget"])
    items = picked(_read(questions), options["limit"], options["seed"])
    check_folder(html)
    found = probe(items, _asking(model, options), OpenModels(budget=budget), Silent() if as_json else Lines())
    source = questions.name if questions is not None else "assay's own questions"
    data = asdict(found) if as_json else None
    end(data, lambda: _print(found), budget, html, lambda: render(found, source, environment(LANGUAGE)))


def _read(file: Path | None) -> list[Sample]:
    from assay.components.sources.tasks.truthful_qa import Misconceptions, TruthfulQa
    from assay.core.lab import Lab
    from assay.models.open_models import OpenModels
    from assay.store.images import StoredImages

    pairs = file is not None and file.suffix.lower() == ".json"
    source = TruthfulQa(str(file), "mc2") if pairs else Misconceptions(str(file) if file is not None else "")
    return list(source.read(Lab(0, OpenModels(), StoredImages([]))))


def _asking(model: str, options: dict[str, Any]) -> Asking:
    from assay.components.scorers.language_model.consistency import Consistency
    from assay.probes.hallucination.probe import Asking

    judge = options["judge"]
    if options["by"] == "nli" and judge is None:
        raise UserError(
            "--by nli needs --judge, a model of natural language inference.",
            hint="Such as a folder or the hub's name of a classifier with the labels entailment and contradiction.",
        )
    usual = Asking(model, max_tokens=options["max_tokens"], seed=options["seed"])
    drawn = Consistency(
        model,
        options["by"],
        judge or (model if options["by"] == "model" else usual.encoder),
        threshold=options["same"],
        samples=options["samples"],
        temperature=options["temperature"],
        max_tokens=usual.max_tokens,
        system=usual.system,
    )
    return Asking(model, consistency=drawn, max_tokens=usual.max_tokens, seed=usual.seed)


def _print(found: Probed) -> None:
    from assay.probes.hallucination.page import LIMITS, headline, rows, sentences

    click.echo(f"{headline(found)} {' '.join(sentences(found))}\n")
    table(["sign", "right over wrong", "wrong of all", "of the surest 80 %", "50 %", "20 %", "spared"], rows(found))
    click.echo(
        "\nright over wrong: the chance that a right answer has more of the sign than a wrong one; 0.5 is a coin."
    )
    click.echo("spared: wrong answers less the mean over all coverages, in points; above 0 it pays to keep silent.")
    click.echo(LIMITS[0])
