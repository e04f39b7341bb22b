"""A leaderboard in plain sentences: how its ratings were made, and what is to be known before one believes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.analysis.format import plural
from assay.core.effect import Effect
from assay.stats.ratings.leaderboard import Leaderboard

FEW = 10
"""Votes on a model."""
NAMED = 5
"""How many models a sentence names."""


def head(found: Leaderboard, method: str, how: Mapping[str, Any]) -> str:
    """How many votes, by which method with which options (those of the command line), and what intervals are of."""
    made = _elo(how) if method == "elo" else _bradley_terry(found, how)
    return f"{plural(found.votes, 'vote')} on {len(found.standings)} models by {made}\n{_intervals(found, method, how)}"


def _bradley_terry(found: Leaderboard, how: Mapping[str, Any]) -> str:
    said = "a tie is half a win each" if how["ties"] == "half" else "ties have a probability of their own (Davidson)"
    if found.tie is not None:
        said += f": equal models tie in {100 * found.tie / (2 + found.tie):.0f} % of their votes"
    more = [f", votes weighted by {how['weight']}"] if how["weight"] else []
    more += [f", at equal {name}" for name, _ in found.controls]
    more += [f", strengths pulled together by a prior of precision {how['prior']:g}"] if how["prior"] else []
    where = "the mean of all models is" if how["anchor"] is None else f"{how['anchor']!r} stands at"
    of = "" if how["anchor"] is None else ", and intervals are of the difference to it"
    return f"Bradley-Terry; {said}{''.join(more)}.\n400 points more are ten to one; {where} {how['mean']:,g}{of}."


def _elo(how: Mapping[str, Any]) -> str:
    weighted = f", votes weighted by {how['weight']}" if how["weight"] else ""
    return f"Elo, K = {how['k']:g}, all from {how['mean']:,g}, in the order of the file{weighted}."


def _intervals(found: Leaderboard, method: str, how: Mapping[str, Any]) -> str:
    if not found.resamples:
        how_sure = f"Intervals at {100 * how['level']:g} % from the curvature (sandwich)."
        return how_sure if method != "elo" else "No intervals."
    said = f"Intervals at {100 * how['level']:g} % by {found.resamples:,} resamples of the votes, seed {how['seed']}"
    return f"{said}." if method != "elo" else f"{said}, in random orders: a rating may lie outside its own."


def notes(found: Leaderboard) -> list[str]:
    """What is to be known before one believes the table."""
    said = [
        f"{name}: {effect.estimate:+.3f} ({interval(effect, 3)}) on the log-odds of winning for each root mean square "
        "of the difference."
        for name, effect in found.controls
    ]
    if few := [repr(one.model) for one in found.standings if one.votes < FEW]:
        named = ", ".join(few[:NAMED]) + (f" and {len(few) - NAMED} more" if len(few) > NAMED else "")
        said.append(f"Fewer than {FEW} votes on {named}: intervals of so few cannot be trusted.")
    if found.unbounded:
        said.append(
            f"In {found.unbounded:,} of {found.resamples:,} resamples some model never lost or never won: there a weak "
            "prior held it, and its interval is rough."
        )
    wide = [f"{one.best}-{one.worst}" for one in found.standings if one.best != one.worst]
    return [*said, f"A rank such as {wide[0]} says which places the intervals leave open."] if wide else said


def interval(effect: Effect, digits: int) -> str:
    """As "940 to 1,060"; "none" where there is none."""
    if effect.low is None or effect.high is None:
        return "none"
    return f"{effect.low:,.{digits}f} to {effect.high:,.{digits}f}"
