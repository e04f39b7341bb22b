"""Text output of a leaderboard: method, intervals and cautions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.analysis.format import plural
from assay.core.effect import Effect
from assay.stats.ratings.leaderboard import Leaderboard

FEW = 10
"""Minimum votes per model without a caution."""
NAMED = 5
"""Maximum number of models named in a sentence."""


def head(board: Leaderboard, method: str, options: Mapping[str, Any]) -> str:
    """Number of votes, rating method with its options, and interval method."""
    rating = _elo(options) if method == "elo" else _bradley_terry(board, options)
    intervals = _intervals(board, method, options)
    return f"{plural(board.votes, 'vote')} on {len(board.standings)} models by {rating}\n{intervals}"


def _bradley_terry(board: Leaderboard, options: Mapping[str, Any]) -> str:
    ties = "a tie counts as half a win" if options["ties"] == "half" else "ties by Davidson's model"
    if board.tie is not None:
        ties += f" (tie probability of equal models {100 * board.tie / (2 + board.tie):.0f}%)"
    details = [f", votes weighted by {options['weight']}"] if options["weight"] else []
    details += [f", controlled for {name}" for name, _ in board.controls]
    details += [f", Gaussian prior with precision {options['prior']:g}"] if options["prior"] else []
    where = "the mean rating is" if options["anchor"] is None else f"{options['anchor']!r} is fixed at"
    of = "" if options["anchor"] is None else "; intervals are for the difference to it"
    return (
        f"Bradley-Terry; {ties}{''.join(details)}.\nA difference of 400 corresponds to odds of 10:1; {where} "
        f"{options['mean']:,g}{of}."
    )


def _elo(options: Mapping[str, Any]) -> str:
    weighted = f", votes weighted by {options['weight']}" if options["weight"] else ""
    return f"Elo, K = {options['k']:g}, initial rating {options['mean']:,g}, in file order{weighted}."


def _intervals(board: Leaderboard, method: str, options: Mapping[str, Any]) -> str:
    level = f"Intervals at {100 * options['level']:g}%"
    if not board.resamples:
        return "No intervals." if method == "elo" else f"{level} by the sandwich estimator."
    bootstrap = f"{level} by {board.resamples:,} bootstrap resamples, seed {options['seed']}"
    return bootstrap + (", in random order: a rating may lie outside its interval." if method == "elo" else ".")


def notes(board: Leaderboard) -> list[str]:
    """Effects of covariates and cautions."""
    lines = [
        f"{name}: {effect.estimate:+.3f} ({interval(effect, 3)}) change of the log-odds of winning per root mean "
        "square of the difference."
        for name, effect in board.controls
    ]
    if few := [repr(standing.model) for standing in board.standings if standing.votes < FEW]:
        named = ", ".join(few[:NAMED]) + (f" and {len(few) - NAMED} more" if len(few) > NAMED else "")
        lines.append(f"Fewer than {FEW} votes on {named}: their intervals are unreliable.")
    if board.unbounded:
        lines.append(
            f"In {board.unbounded:,} of {board.resamples:,} resamples a model won or lost all votes: a weak prior was "
            "used there, and its interval is approximate."
        )
    wide = [f"{standing.best}-{standing.worst}" for standing in board.standings if standing.best != standing.worst]
    return [*lines, f"A rank such as {wide[0]} is the range compatible with the intervals."] if wide else lines


def interval(effect: Effect, digits: int) -> str:
    """Interval as text such as "940 to 1,060"; "none" if undefined."""
    if effect.low is None or effect.high is None:
        return "none"
    return f"{effect.low:,.{digits}f} to {effect.high:,.{digits}f}"
