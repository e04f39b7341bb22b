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


def head(found: Leaderboard, method: str, how: Mapping[str, Any]) -> str:
    """Number of votes, rating method with its options, and interval method."""
    made = _elo(how) if method == "elo" else _bradley_terry(found, how)
    return f"{plural(found.votes, 'vote')} on {len(found.standings)} models by {made}\n{_intervals(found, method, how)}"


def _bradley_terry(found: Leaderboard, how: Mapping[str, Any]) -> str:
    said = "a tie counts as half a win" if how["ties"] == "half" else "ties by Davidson's model"
    if found.tie is not None:
        said += f" (tie probability of equal models {100 * found.tie / (2 + found.tie):.0f}%)"
    more = [f", votes weighted by {how['weight']}"] if how["weight"] else []
    more += [f", controlled for {name}" for name, _ in found.controls]
    more += [f", Gaussian prior with precision {how['prior']:g}"] if how["prior"] else []
    where = "the mean rating is" if how["anchor"] is None else f"{how['anchor']!r} is fixed at"
    of = "" if how["anchor"] is None else "; intervals are for the difference to it"
    return (
        f"Bradley-Terry; {said}{''.join(more)}.\nA difference of 400 corresponds to odds of 10:1; {where} "
        f"{how['mean']:,g}{of}."
    )


def _elo(how: Mapping[str, Any]) -> str:
    weighted = f", votes weighted by {how['weight']}" if how["weight"] else ""
    return f"Elo, K = {how['k']:g}, initial rating {how['mean']:,g}, in file order{weighted}."


def _intervals(found: Leaderboard, method: str, how: Mapping[str, Any]) -> str:
    if not found.resamples:
        how_sure = f"Intervals at {100 * how['level']:g}% by the sandwich estimator."
        return how_sure if method != "elo" else "No intervals."
    said = f"Intervals at {100 * how['level']:g}% by {found.resamples:,} bootstrap resamples, seed {how['seed']}"
    return f"{said}." if method != "elo" else f"{said}, in random order: a rating may lie outside its interval."


def notes(found: Leaderboard) -> list[str]:
    """Effects of covariates and cautions."""
    said = [
        f"{name}: {effect.estimate:+.3f} ({interval(effect, 3)}) change of the log-odds of winning per "
        "root mean square "
        "of the difference."
        for name, effect in found.controls
    ]
    if few := [repr(one.model) for one in found.standings if one.votes < FEW]:
        named = ", ".join(few[:NAMED]) + (f" and {len(few) - NAMED} more" if len(few) > NAMED else "")
        said.append(f"Fewer than {FEW} votes on {named}: their intervals are unreliable.")
    if found.unbounded:
        said.append(
            f"In {found.unbounded:,} of {found.resamples:,} resamples a model won or lost all votes: a weak prior was "
            "used there, and its interval is approximate."
        )
    wide = [f"{one.best}-{one.worst}" for one in found.standings if one.best != one.worst]
    return [*said, f"A rank such as {wide[0]} is the range compatible with the intervals."] if wide else said


def interval(effect: Effect, digits: int) -> str:
    """Interval as text such as "940 to 1,060"; "none" if undefined."""
    if effect.low is None or effect.high is None:
        return "none"
    return f"{effect.low:,.{digits}f} to {effect.high:,.{digits}f}"
