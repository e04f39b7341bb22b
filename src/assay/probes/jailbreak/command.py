"""assay probe jailbreak: attack success rate, with and without defenses, and over-refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.pipeline.environment import LANGUAGE_PACKAGES
from assay.pipeline.progress import LogLines, SilentReporter
from assay.probes.command import check_folder, end
from assay.terminal.money import BUDGET_NOW
from assay.terminal.options import JSON, table, texts_of

if TYPE_CHECKING:
    from assay.probes.jailbreak.attacks import Attack, JailbreakTask
    from assay.probes.jailbreak.defenses import JailbreakSetup
    from assay.probes.jailbreak.probe import JailbreakResult

FAMILIES = ("direct", "role-play", "encoding", "many-shot", "prefix", "persuasion")
DEFENSES = ("reminder", "perplexity", "vote", "guard")


@click.command()
@click.option("--model", default="embedded:smollm2", show_default=True, help="Language model to attack.")
@click.option(
    "--task",
    type=click.Choice(["secret", "rule"]),
    default="secret",
    show_default=True,
    help="Built-in task: keep a codeword secret, or follow a rule against digits; both are checked by rules.",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    help="File of your own attack prompts, one per line, instead of --task.",
)
@click.option("--column", help="Column of the prompts in a .csv or .jsonl file.")
@click.option("--system", default="", help="System prompt for --prompts.")
@click.option(
    "--harmless", type=click.Path(path_type=Path), help="File of harmless questions, one per line.  [default: built-in]"
)
@click.option("--cases", type=click.IntRange(1), default=10, show_default=True, help="Attacks per family.")
@click.option(
    "--family",
    "families",
    type=click.Choice(FAMILIES),
    multiple=True,
    help="Attack family; repeat for several.  [default: all]",
)
@click.option(
    "--defense",
    "defenses",
    type=click.Choice([*DEFENSES, "none"]),
    multiple=True,
    help="Defense; repeat for several.  [default: all]",
)
@click.option("--reader", default="embedded:smollm2", show_default=True, help="Open model of the perplexity filter.")
@click.option("--guard", default="", help="Open model of the answer guard.  [default: --model]")
@click.option(
    "--false-positive-rate",
    "false_alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Maximum false positive rate of the perplexity filter and the guard on harmless questions.",
)
@click.option(
    "--copies", type=click.IntRange(1, 100), default=5, show_default=True, help="Perturbed copies of SmoothLLM."
)
@click.option(
    "--perturbation",
    "swapped",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Proportion of characters replaced per copy.",
)
@click.option("--max-tokens", type=click.IntRange(1), default=32, show_default=True, help="Maximum tokens per answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@click.option("--html", type=click.Path(path_type=Path), help="Write an HTML report to this file.")
@BUDGET_NOW
@JSON
def command(task: JailbreakTask, prompts: Path | None, html: Path | None, as_json: bool, **options: Any) -> None:
    """Measure the success rate of published jailbreak attacks, with and without defenses.

    For each defense the refusal rate of harmless questions is reported as its cost. Attacks are fixed and mild; no
    harmful text is included. Use --prompts only with prompts that you are allowed to send.
    """
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.pipeline.environment import environment
    from assay.probes.jailbreak.page import render
    from assay.probes.jailbreak.probe import bench_of, probe

    check_folder(html)
    if prompts is None and (options["column"] or options["system"]):
        raise UserError("--column and --system require --prompts.")
    budget = Budget(options["budget"])
    setup, defenses = _setup(options), _defenses(options["defenses"])
    harmless = _harmless(options["harmless"])
    attack_task: JailbreakTask = "prompts" if prompts is not None else task
    attacks_ = _attacks(attack_task, prompts, harmless, options)
    _check(setup, defenses, len(harmless))
    bench = bench_of(setup, OpenModels(budget=budget), attacks_, harmless, options["system"])
    result = probe(bench, attacks_, attack_task, defenses, SilentReporter() if as_json else LogLines())
    source = options["harmless"].name if options["harmless"] else "the built-in set"
    data = asdict(result) if as_json else None
    end(data, lambda: _print(result), budget, html, lambda: render(result, source, environment(LANGUAGE_PACKAGES)))


def _setup(options: dict[str, Any]) -> JailbreakSetup:
    from assay.probes.jailbreak.defenses import JailbreakSetup

    names = ("model", "max_tokens", "reader", "guard", "false_alarms", "copies", "swapped", "seed")
    return JailbreakSetup(**{name: options[name] for name in names})


def _defenses(named: Sequence[str]) -> list[str]:
    if "none" in named and len(named) > 1:
        raise UserError("--defense none cannot be combined with other defenses.")
    return [] if "none" in named else list(dict.fromkeys(named)) or list(DEFENSES)


def _harmless(file: Path | None) -> list[str]:
    from assay.components.sources.text.requests import Requests
    from assay.core.lab import Lab
    from assay.models.open_models import OpenModels
    from assay.store.images import StoredImages

    if file is None:
        requests = Requests("safe").read(Lab(0, OpenModels(), StoredImages([])))
        return [request.text("instruction") for request in requests]
    if file.suffix.lower() in (".csv", ".jsonl"):
        raise UserError("--harmless must be a text file with one question per line.")
    return texts_of(file, whole=False, column=None)


def _attacks(
    task: JailbreakTask, prompts: Path | None, harmless: Sequence[str], options: dict[str, Any]
) -> list[Attack]:
    from assay.probes.jailbreak.attacks import attacks, attacks_on

    families = list(dict.fromkeys(options["families"])) or list(FAMILIES)
    if prompts is None:
        return attacks(task, families, options["cases"], options["seed"])
    texts = texts_of(prompts, whole=False, column=options["column"])
    return attacks_on(texts, families, options["system"], harmless)


def _check(setup: JailbreakSetup, defenses: Sequence[str], harmless: int) -> None:
    """Check the requirements of the defenses before any model is called."""
    from assay.models.remote.services import is_remote
    from assay.probes.jailbreak.defenses import minimum_messages

    minimum = minimum_messages(setup.false_alarms)
    if {"perplexity", "guard"} & set(defenses) and harmless < minimum:
        raise UserError(
            f"A threshold at a false positive rate of {100 * setup.false_alarms:g}% needs {minimum} harmless "
            f"questions, got {harmless}.",
            hint="Give more with --harmless, or raise --false-positive-rate.",
        )
    if "guard" in defenses and is_remote(setup.guard or setup.model):
        raise UserError(
            "The guard needs token probabilities, which a remote model does not provide.",
            hint="Give an open model with --guard, or omit it: --defense reminder --defense vote.",
        )
    if "perplexity" in defenses and is_remote(setup.reader):
        raise UserError("The perplexity filter needs an open model: give one with --reader.")


def _print(result: JailbreakResult) -> None:
    from assay.analysis.format import percent
    from assay.probes.jailbreak.page import LIMITS, PROMPTS_LIMIT, SUCCESS, headline, interval_note, rows, sentences

    click.echo(f"{headline(result)} {' '.join(sentences(result))}\n")
    table(["defense", "attack success rate", "change (pp)", "refusal rate (harmless)", "change (pp)"], rows(result))
    click.echo()
    names = [defense.name for defense in result.results]
    cells = [
        [family, *(percent(defense.families[family].estimate) for defense in result.results)]
        for family in result.baseline.families
    ]
    table(["family", *names], cells)
    click.echo(f"\nAttack success: the model {SUCCESS[result.task]}. {interval_note(result)}".rstrip())
    click.echo(PROMPTS_LIMIT if result.task == "prompts" else LIMITS[0])
