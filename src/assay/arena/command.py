"""assay arena: leaderboard of models from pairwise votes."""

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
    "separated": "Add votes that they lose or win, exclude them, or use --prior 0.1.",
    "groups": "Rank each group separately, add votes between them, or use --prior 0.1.",
    "diverged": "Remove a --control, use --ties half, or use --prior 0.1.",
}


@click.group()
def command() -> None:
    """Rate models from pairwise votes."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--method", type=METHODS, default="bradley-terry", show_default=True, help="Rating model.")
@click.option("--ties", type=TIES, default="half", show_default=True, help="Model of ties.")
@click.option(
    "--bootstrap",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Bootstrap resamples; 0 for sandwich intervals.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Bootstrap seed.")
@click.option("--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True)
@click.option("--weight", metavar="COLUMN", help="Column of vote weights.")
@click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="COLUMN",
    help="Covariate to control for, such as length; repeat for several.",
)
@click.option("--anchor", metavar="MODEL", help="Model whose rating is fixed at --mean.")
@click.option("--mean", type=float, default=1000.0, show_default=True, help="Mean rating, or initial rating of Elo.")
@click.option(
    "--prior",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Precision of a Gaussian prior on strengths.",
)
@click.option("--k", type=click.FloatRange(0, min_open=True), default=4.0, show_default=True, help="K-factor of Elo.")
@JSON
def rank(file: Path, method: str, weight: str | None, controls: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Rank models by the votes in FILE, a .csv or .jsonl of model_a, model_b, winner (model_a, model_b or tie).

    A rank such as 2-5 is the range compatible with the intervals. --control COLUMN is a column of differences, or a
    pair of columns COLUMN_a and COLUMN_b. With --bootstrap 0, Bradley-Terry uses sandwich intervals.
    """
    from assay.components.sources.files.judgments import read_votes
    from assay.stats.ratings.votes import NoMaximumError

    if method == "elo" and (controls or options["prior"] or options["anchor"] or options["ties"] != "half"):
        raise UserError(
            "Elo does not support --control, --prior, --anchor or --ties.", hint="Use --method bradley-terry."
        )
    votes = read_votes(file, weight=weight, controls=controls)
    if options["anchor"] is not None and options["anchor"] not in votes.models:
        raise UserError(
            f"The anchor {options['anchor']!r} has no votes.", hint=did_you_mean(options["anchor"], votes.models)
        )
    try:
        board = _elo(votes, options) if method == "elo" else _bradley_terry(votes, options)
    except ValueError as error:
        hint = HINTS[error.cause] if isinstance(error, NoMaximumError) else ""
        raise UserError(f"{file}: {error}", hint=hint) from error
    settings = {name: value for name, value in {**options, "weight": weight}.items() if name not in UNUSED[method]}
    if as_json:
        show({"method": method, "options": settings, **_data(board)})
    else:
        _print(board, method, settings)


def _bradley_terry(votes: PairwiseVotes, options: dict[str, Any]) -> Leaderboard:
    from assay.stats.ratings.leaderboard import Intervals, RatingScale, leaderboard

    kind: Literal["bootstrap", "sandwich"] = "bootstrap" if options["bootstrap"] else "sandwich"
    return leaderboard(
        votes,
        ties=options["ties"],
        prior=options["prior"],
        scale=RatingScale(options["mean"], options["anchor"], options["mean"]),
        intervals=Intervals(kind, options["bootstrap"], options["seed"], options["level"]),
    )


def _elo(votes: PairwiseVotes, options: dict[str, Any]) -> Leaderboard:
    from assay.stats.ratings.leaderboard import Intervals, elo_leaderboard

    intervals = Intervals("bootstrap", options["bootstrap"], options["seed"], options["level"])
    return elo_leaderboard(votes, k=options["k"], start=options["mean"], intervals=intervals)


def _data(board: Leaderboard) -> dict[str, Any]:
    data = asdict(board)
    data["models"] = data.pop("standings")
    data["controls"] = [{"name": name, **asdict(effect)} for name, effect in board.controls]
    return data


def _print(board: Leaderboard, method: str, settings: dict[str, Any]) -> None:
    from assay.analysis.format import percent
    from assay.arena.text import head, interval, notes

    click.echo(head(board, method, settings) + "\n")
    table(
        ["rank", "model", "rating", f"{100 * settings['level']:g}% CI", "votes", "win rate"],
        [
            [
                f"{standing.best}-{standing.worst}" if standing.best != standing.worst else f"{standing.best}",
                standing.model,
                f"{standing.rating.estimate:,.0f}",
                interval(standing.rating, 0) if standing.model != settings.get("anchor") else "anchor",
                f"{standing.votes:,}",
                percent(standing.win_rate),
            ]
            for standing in board.standings
        ],
    )
    if lines := notes(board):
        click.echo("\n" + "\n".join(lines))
