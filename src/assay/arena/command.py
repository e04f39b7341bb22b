"""assay arena: which model people or a judge prefer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from assay.core.errors import UserError, did_you_mean
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.stats.ratings.leaderboard import Leaderboard
    from assay.stats.ratings.votes import PairwiseVotes

METHODS = click.Choice(["bradley-terry", "elo"])
TIES = click.Choice(["half", "davidson"])
UNUSED = {"bradley-terry": ("k",), "elo": ("ties", "prior", "anchor")}
HINTS = {
    "No finite strengths": "Give them votes that they lose or win, leave them out, or hold them with --prior 0.1.",
    "The votes fall into": "Rank each group by itself, add votes between them, or use --prior 0.1.",
    "The likelihood has": "Leave a --control out, take --ties half, or use --prior 0.1.",
}


@click.group()
def command() -> None:
    """Rate models by votes between them."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--method", type=METHODS, default="bradley-terry", show_default=True)
@click.option("--ties", type=TIES, default="half", show_default=True, help="How a tie counts.")
@click.option("--bootstrap", type=click.IntRange(0), default=1000, show_default=True, help="Resamples; 0 for none.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True)
@click.option("--weight", metavar="COLUMN", help="How much each vote counts.")
@click.option("--control", "controls", multiple=True, metavar="COLUMN", help="Rate at equal COLUMN, such as length.")
@click.option("--anchor", metavar="MODEL", help="Put this model at --mean, instead of the mean of all.")
@click.option("--mean", type=float, default=1000.0, show_default=True, help="Where ratings lie; Elo's start.")
@click.option("--prior", type=click.FloatRange(0), default=0.0, show_default=True, help="Pulls strengths together.")
@click.option("--k", type=click.FloatRange(0, min_open=True), default=4.0, show_default=True, help="Of Elo.")
@JSON
def rank(file: Path, method: str, weight: str | None, controls: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Print a leaderboard of the votes in FILE: .csv or .jsonl of model_a, model_b, winner (model_a, model_b or tie).

    A rank such as 2-5 says which places the intervals leave open. --control COLUMN takes a column of differences, or
    two of amounts, COLUMN_a and COLUMN_b. Without resamples Bradley-Terry's intervals come from the curvature.
    """
    from assay.components.sources.files.judgments import read_votes

    if method == "elo" and (controls or options["prior"] or options["anchor"] or options["ties"] != "half"):
        raise UserError("Elo takes no --control, --prior, --anchor or --ties.", hint="Use --method bradley-terry.")
    cast = read_votes(file, weight=weight, controls=controls)
    if options["anchor"] is not None and options["anchor"] not in cast.models:
        raise UserError(f"No vote is on {options['anchor']!r}.", hint=did_you_mean(options["anchor"], cast.models))
    try:
        found = _elo(cast, options) if method == "elo" else _bradley_terry(cast, options)
    except ValueError as error:
        hint = next((hint for start, hint in HINTS.items() if str(error).startswith(start)), "")
        raise UserError(f"{file}: {error}", hint=hint) from error
    how = {name: value for name, value in {**options, "weight": weight}.items() if name not in UNUSED[method]}
    if as_json:
        show({"method": method, "options": how, **_data(found)})
    else:
        _print(found, method, how)


def _bradley_terry(cast: PairwiseVotes, options: dict[str, Any]) -> Leaderboard:
    from assay.stats.ratings.leaderboard import Intervals, RatingScale, leaderboard

    kind: Literal["bootstrap", "sandwich"] = "bootstrap" if options["bootstrap"] else "sandwich"
    return leaderboard(
        cast,
        ties=options["ties"],
        prior=options["prior"],
        scale=RatingScale(options["mean"], options["anchor"], options["mean"]),
        intervals=Intervals(kind, options["bootstrap"], options["seed"], options["level"]),
    )


def _elo(cast: PairwiseVotes, options: dict[str, Any]) -> Leaderboard:
    from assay.stats.ratings.leaderboard import Intervals, elo_leaderboard

    intervals = Intervals("bootstrap", options["bootstrap"], options["seed"], options["level"])
    return elo_leaderboard(cast, k=options["k"], start=options["mean"], intervals=intervals)


def _data(found: Leaderboard) -> dict[str, Any]:
    data = asdict(found)
    data["models"] = data.pop("standings")
    data["controls"] = [{"name": name, **asdict(effect)} for name, effect in found.controls]
    return data


def _print(found: Leaderboard, method: str, how: dict[str, Any]) -> None:
    from assay.arena.text import head, interval, notes

    click.echo(head(found, method, how) + "\n")
    table(
        ["rank", "model", "rating", f"{100 * how['level']:g} % interval", "votes", "win rate"],
        [
            [
                f"{one.best}-{one.worst}" if one.best != one.worst else f"{one.best}",
                one.model,
                f"{one.rating.estimate:,.0f}",
                interval(one.rating, 0) if one.model != how.get("anchor") else "anchor",
                f"{one.votes:,}",
                f"{100 * one.win_rate:.1f} %",
            ]
            for one in found.standings
        ],
    )
    if said := notes(found):
        click.echo("\n" + "\n".join(said))
