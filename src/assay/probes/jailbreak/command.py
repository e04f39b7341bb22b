"""assay probe jailbreak: how often attacks get through, and what defenses cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.probes.output import check_folder, end
from assay.terminal.money import BUDGET_NOW
from assay.terminal.options import JSON, table
from assay.terminal.texts import texts_of

if TYPE_CHECKING:
    from assay.probes.jailbreak.defenses import Asking
    from assay.probes.jailbreak.probe import Probed
    from assay.probes.jailbreak.tasks import Attack, Task

FAMILIES = ("direct", "role-play", "encoding", "many-shot", "prefix", "persuasion")
DEFENCES = ("reminder", "perplexity", "vote", "guard")


@click.command()
@click.option("--model", default="embedded:smollm2", show_default=True, help="Any language model.")
@click.option(
    "--task",
    type=click.Choice(["secret", "rule"]),
    default="secret",
    show_default=True,
    help="A codeword in the instructions that must not leak, or a rule against digits; a program checks both.",
)
@click.option(
    "--prompts", type=click.Path(path_type=Path), help="Prompts of yours instead: a .txt file, one on a line."
)
@click.option("--column", help="Of a .csv or .jsonl file of prompts: which column holds them.")
@click.option("--system", default="", help="With --prompts: the instructions that the model has.")
@click.option(
    "--harmless", type=click.Path(path_type=Path), help="Harmless questions, one on a line; assay's by default."
)
@click.option("--cases", type=click.IntRange(1), default=10, show_default=True, help="Attacks of each family.")
@click.option("--family", "families", type=click.Choice(FAMILIES), multiple=True, help="Only this; again for more.")
@click.option(
    "--defense", "defenses", type=click.Choice([*DEFENCES, "none"]), multiple=True, help="Only this, or none."
)
@click.option("--reader", default="embedded:smollm2", show_default=True, help="Open model of the perplexity filter.")
@click.option("--guard", default="", help="Open model that reads the answers; --model by default.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of harmless questions that the perplexity filter and the guard may stop.",
)
@click.option("--copies", type=click.IntRange(1, 100), default=5, show_default=True, help="Copies that vote.")
@click.option("--swapped", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Letters changed in each.")
@click.option("--max-tokens", type=click.IntRange(1), default=32, show_default=True, help="Of an answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--html", type=click.Path(path_type=Path), help="Write a page there.")
@BUDGET_NOW
@JSON
def command(task: Task, prompts: Path | None, html: Path | None, as_json: bool, **options: Any) -> None:
    """Measure how often published kinds of attack get through to MODEL, with and without defenses.

    Next to what each defense prevents stands its price: the harmless questions that are refused. Attacks are fixed and
    mild; no harmful text is shipped. Try --prompts only with what you are allowed to ask.
    """
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Budget
    from assay.pipeline.environment import LANGUAGE, environment
    from assay.pipeline.progress import Lines, Silent
    from assay.probes.jailbreak.page import render
    from assay.probes.jailbreak.probe import bench_of, probe

    check_folder(html)
    if prompts is None and (options["column"] or options["system"]):
        raise UserError("--column and --system go with --prompts.")
    budget = Budget(options["budget"])
    asking, defenses = _asking(options), _defenses(options["defenses"])
    harmless = _harmless(options["harmless"])
    kind: Task = "prompts" if prompts is not None else task
    tried = _attacks(kind, prompts, harmless, options)
    _check(asking, defenses, len(harmless))
    bench = bench_of(asking, OpenModels(budget=budget), tried, harmless, options["system"])
    found = probe(bench, tried, kind, defenses, Silent() if as_json else Lines())
    source = options["harmless"].name if options["harmless"] else "assay's own"
    data = asdict(found) if as_json else None
    end(data, lambda: _print(found), budget, html, lambda: render(found, source, environment(LANGUAGE)))


def _asking(options: dict[str, Any]) -> Asking:
    from assay.probes.jailbreak.defenses import Asking

    names = ("model", "max_tokens", "reader", "guard", "false_alarms", "copies", "swapped", "seed")
    return Asking(**{name: options[name] for name in names})


def _defenses(named: Sequence[str]) -> list[str]:
    if "none" in named and len(named) > 1:
        raise UserError("--defense none goes alone.")
    return [] if "none" in named else list(dict.fromkeys(named)) or list(DEFENCES)


def _harmless(file: Path | None) -> list[str]:
    from assay.components.sources.text.requests import Requests
    from assay.core.lab import Lab
    from assay.models.open_models import OpenModels
    from assay.store.images import StoredImages

    if file is None:
        own = Requests("safe").read(Lab(0, OpenModels(), StoredImages([])))
        return [one.text("instruction") for one in own]
    if file.suffix.lower() in (".csv", ".jsonl"):
        raise UserError("--harmless is a text file with a question on each line.")
    return texts_of(file, whole=False, column=None)


def _attacks(task: Task, prompts: Path | None, harmless: Sequence[str], options: dict[str, Any]) -> list[Attack]:
    from assay.probes.jailbreak.tasks import attacks, attacks_on

    families = list(dict.fromkeys(options["families"])) or list(FAMILIES)
    if prompts is None:
        return attacks(task, families, options["cases"], options["seed"])
    texts = texts_of(prompts, whole=False, column=options["column"])
    return attacks_on(texts, families, options["system"], harmless)


def _check(asking: Asking, defenses: Sequence[str], harmless: int) -> None:
    """What would stop the probe after the model has been asked for minutes."""
    from assay.models.remote.services import is_remote
    from assay.probes.jailbreak.defenses import needed

    least = needed(asking.false_alarms)
    if {"perplexity", "guard"} & set(defenses) and harmless < least:
        raise UserError(
            f"A line for {100 * asking.false_alarms:g} % of harmless questions takes {least} of them, had {harmless}.",
            hint="Give more with --harmless, or allow more with --false-alarms.",
        )
    if "guard" in defenses and is_remote(asking.guard or asking.model):
        raise UserError(
            "The guard says how probable a yes is, which a service does not.",
            hint="Name an open model with --guard, or leave it out: --defense reminder --defense vote.",
        )
    if "perplexity" in defenses and is_remote(asking.reader):
        raise UserError("The perplexity filter reads with an open model: name one with --reader.")


def _print(found: Probed) -> None:
    from assay.analysis.format import percent
    from assay.probes.jailbreak.page import LIMITS, MEANT, SUPPLIED, headline, rows, sentences, together

    click.echo(f"{headline(found)} {' '.join(sentences(found))}\n")
    table(["defense", "attacks through", "change", "harmless refused", "change"], rows(found))
    click.echo()
    names = [one.name for one in found.results]
    cells = [
        [family, *(percent(one.families[family].estimate) for one in found.results)] for family in found.alone.families
    ]
    table(["family", *names], cells)
    click.echo(f"\nThrough: the model {MEANT[found.task]}. {together(found)}".rstrip())
    click.echo(SUPPLIED if found.task == "prompts" else LIMITS[0])
