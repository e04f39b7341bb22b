"""assay probe hallucination: uncertainty scores and selective prediction on misconceptions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.pipeline.environment import LANGUAGE_PACKAGES
from assay.pipeline.progress import LogLines, SilentReporter
from assay.probes.command import check_folder, end
from assay.terminal.money import BUDGET_NOW
from assay.terminal.options import JSON, table

if TYPE_CHECKING:
    from assay.core.sample import Sample
    from assay.probes.hallucination.probe import HallucinationResult, HallucinationSetup


@click.command()
@click.option("--model", default="embedded:smollm2", show_default=True, help="Language model to probe.")
@click.option(
    "--questions",
    type=click.Path(path_type=Path),
    help="TruthfulQA's mc_task.json, or a .csv or .jsonl of questions with choices.  [default: built-in questions]",
)
@click.option(
    "--limit", type=click.IntRange(2), default=100, show_default=True, help="Number of questions, sampled with --seed."
)
@click.option(
    "--samples", type=click.IntRange(2, 64), default=5, show_default=True, help="Sampled answers per question."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2, min_open=True),
    default=1.0,
    show_default=True,
    help="Sampling temperature.",
)
@click.option(
    "--equivalence",
    type=click.Choice(["embedding", "nli", "model"]),
    default="embedding",
    show_default=True,
    help="Semantic equivalence of answers: sentence embeddings, an NLI model, or a language model.",
)
@click.option("--judge", help="Model for --equivalence; required for nli.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.75,
    show_default=True,
    help="Minimum score for semantic equivalence.",
)
@click.option("--max-tokens", type=click.IntRange(1), default=48, show_default=True, help="Maximum tokens per answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Sampling seed.")
@click.option("--html", type=click.Path(path_type=Path), help="Write an HTML report to this file.")
@BUDGET_NOW
@JSON
def command(model: str, questions: Path | None, html: Path | None, as_json: bool, **options: Any) -> None:
    """Measure whether uncertainty scores detect wrong answers to common misconceptions.

    An answer counts as correct if the nearest reference answer is a true one. For each uncertainty score, AUROC and the
    risk-coverage curve of selective prediction are reported.
    """
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.pipeline.environment import environment
    from assay.probes.hallucination.page import render
    from assay.probes.hallucination.probe import probe, sample_questions

    budget = Budget(options["budget"])
    items = sample_questions(_questions(questions), options["limit"], options["seed"])
    check_folder(html)
    result = probe(
        items, _setup(model, options), OpenModels(budget=budget), SilentReporter() if as_json else LogLines()
    )
    source = questions.name if questions is not None else "the built-in questions"
    data = asdict(result) if as_json else None
    end(data, lambda: _print(result), budget, html, lambda: render(result, source, environment(LANGUAGE_PACKAGES)))


def _questions(file: Path | None) -> list[Sample]:
    from assay.components.sources.tasks.truthful_qa import Misconceptions, TruthfulQa
    from assay.core.lab import Lab
    from assay.models.open_models import OpenModels
    from assay.store.images import StoredImages

    truthful_qa = file is not None and file.suffix.lower() == ".json"
    source = TruthfulQa(str(file), "mc2") if truthful_qa else Misconceptions(str(file) if file is not None else "")
    return list(source.read(Lab(0, OpenModels(), StoredImages([]))))


def _setup(model: str, options: dict[str, Any]) -> HallucinationSetup:
    from assay.components.scorers.language_model.consistency import Consistency
    from assay.probes.hallucination.probe import HallucinationSetup

    judge = options["judge"]
    if options["equivalence"] == "nli" and judge is None:
        raise UserError(
            "--equivalence nli needs --judge, an NLI model.",
            hint="Give a folder or Hugging Face name of a classifier with the labels entailment and contradiction.",
        )
    defaults = HallucinationSetup(model, max_tokens=options["max_tokens"], seed=options["seed"])
    consistency = Consistency(
        model,
        options["equivalence"],
        judge or (model if options["equivalence"] == "model" else defaults.encoder),
        threshold=options["threshold"],
        samples=options["samples"],
        temperature=options["temperature"],
        max_tokens=defaults.max_tokens,
        system=defaults.system,
    )
    return HallucinationSetup(model, consistency=consistency, max_tokens=defaults.max_tokens, seed=defaults.seed)


def _print(result: HallucinationResult) -> None:
    from assay.probes.hallucination.page import LIMITS, headline, rows, sentences

    click.echo(f"{headline(result)} {' '.join(sentences(result))}\n")
    table(["uncertainty score", "AUROC", "risk", "at 80% coverage", "50%", "20%", "risk reduction"], rows(result))
    click.echo("\nAUROC: probability that a correct answer is more confident than a wrong one; 0.5 is chance.")
    click.echo("Risk reduction: risk minus area under the risk-coverage curve (AURC), in pp; above 0 abstention helps.")
    click.echo(LIMITS[0])
