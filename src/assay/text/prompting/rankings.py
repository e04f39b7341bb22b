"""Rankings of two answers by rankers, and their consensus.

A preference pair is a task or dialogue with two answers in the fields `chosen` and `rejected`. Its field `verdict` is
empty if the rankers prefer `chosen`; else it is one of `SENTENCES`, and the order of the answers has no meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from assay.core.errors import FieldError

TIE, CONFLICT, EQUAL, MISSING, UNRANKED = "tie", "conflict", "equal", "missing", "unranked"
BLANK, ONE_SIDED, UNREADABLE = "blank", "one-sided", "unreadable"
SENTENCES: Mapping[str, str] = {
    TIE: "The rankers find neither answer better.",
    CONFLICT: "Rankers disagree on which answer is better, or one with itself when the order changes.",
    EQUAL: "Both answers are the same.",
    MISSING: "An answer is missing or empty.",
    UNRANKED: "No ranker could say anything of it.",
    BLANK: "The prompt has a blank instruction.",
    ONE_SIDED: "The two answers are to different prompts.",
    UNREADABLE: "The dialogue cannot be read.",
}
"""Explanation of each verdict."""
FIELDS = (
    "chosen",
    "rejected",
    "verdict",
    "margin",
    "chosen_from",
    "rejected_from",
    "ranked_by",
    "rankings",
    "chosen_whole",
    "rejected_whole",
)
"""Fields of a pair in addition to its prompt; texts, "" if unknown."""
Side: TypeAlias = Literal["first", "second", "tie", "conflict"]
Agree: TypeAlias = Literal["all", "majority"]
SIDES: tuple[Side, ...] = ("first", "second", "tie", "conflict")


@dataclass(frozen=True)
class Ranking:
    """Ranking of two answers by one ranker, or the reason why there is none."""

    first: float | None = None
    """Score of the first answer on the scale of the ranker; None if it gave none."""
    second: float | None = None
    better: float = 0.0
    """Difference of the scores; above 0 if the first answer is better, also on scales where lower is better."""
    prefers: Side = "tie"
    orders: tuple[float, float] | None = None
    """For a judge with both orders: score of the first answer in each order, 0 to 1."""
    why: str = ""
    """Reason why there is no ranking."""

    @property
    def says(self) -> bool:
        """Whether there is a ranking."""
        return self.first is not None

    @property
    def turned(self) -> Ranking:
        """The ranking of the answers in the other order."""
        sides: Mapping[Side, Side] = {"first": "second", "second": "first"}
        orders = None if self.orders is None else (1 - self.orders[0], 1 - self.orders[1])
        prefers = sides.get(self.prefers, self.prefers)
        return Ranking(self.second, self.first, -self.better, prefers, orders, self.why)


def pointwise(first: float, second: float, *, lower: bool = False, least: float = 0.0) -> Ranking:
    """Ranking by the scores of both answers; a difference below `least` is a tie."""
    better = second - first if lower else first - second
    prefers: Side = "tie" if not better or abs(better) < least else "first" if better > 0 else "second"
    return Ranking(first, second, better, prefers)


def pairwise(preference: float, orders: tuple[float, float] | None = None) -> Ranking:
    """Ranking by a pairwise comparison: `preference` for the first answer, 0 to 1; 1/2 is a tie.

    If both orders were judged and disagree (position inconsistency), the result is a conflict and not a tie.
    """
    inconsistent = orders is not None and orders[0] != orders[1]
    winner: Side = "tie" if preference == 0.5 else "first" if preference > 0.5 else "second"
    prefers: Side = "conflict" if inconsistent else winner
    return Ranking(preference, 1 - preference, 2 * preference - 1, prefers, orders)


def consensus(rankings: Sequence[Ranking], agree: Agree = "all") -> Side | Literal["unranked"]:
    """Answer preferred by all rankers, or with "majority" by more than half of them; missing rankings are excluded.

    Without a consensus: "conflict" if both answers are preferred by some ranker or a ranker has a conflict, else "tie".
    """
    preferred = [ranking.prefers for ranking in rankings if ranking.says]
    if not preferred:
        return "unranked"
    needed = len(preferred) if agree == "all" else len(preferred) // 2 + 1
    for side in SIDES[:2]:
        if preferred.count(side) >= needed:
            return side
    return "conflict" if "conflict" in preferred or {"first", "second"} <= set(preferred) else "tie"


def net_preference(rankings: Sequence[Ranking]) -> float:
    """Fraction of rankers that prefer the first answer minus the fraction that prefer the second, -1 to 1."""
    preferred = [ranking.prefers for ranking in rankings if ranking.says]
    return (preferred.count("first") - preferred.count("second")) / len(preferred) if preferred else 0.0


def write_rankings(rankings: Mapping[str, Ranking]) -> str:
    """Serialize rankings by ranker for the field `rankings` of a pair whose first answer is `chosen`.

    Example: {"likes": {"chosen": 0.7, "rejected": 0.2, "prefers": "chosen"}, "judge": {"why": "unparsed: ..."}}
    """
    names = {"first": "chosen", "second": "rejected"}
    rows: dict[str, Any] = {}
    for name, ranking in rankings.items():
        rows[name] = {"why": ranking.why}
        if ranking.says:
            prefers = names.get(ranking.prefers, ranking.prefers)
            rows[name] = {"chosen": ranking.first, "rejected": ranking.second, "prefers": prefers}
        if ranking.orders is not None:
            rows[name]["orders"] = list(ranking.orders)
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def read_rankings(text: str, owner: str = "") -> dict[str, Ranking]:
    """Parse the output of `write_rankings`, which has no `better`; empty if blank.

    Raises:
        FieldError: The text is not valid; `owner` is the id of the sample, for the message.
    """
    if not text.strip():
        return {}
    try:
        return {str(name): _ranking(row) for name, row in json.loads(text).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FieldError(
            f"The rankings of pair {owner} cannot be read.",
            hint='Expected a JSON object such as {"judge": {"chosen": 1, "rejected": 0, "prefers": "chosen"}}.',
            name="rankings",
            sample=owner,
        ) from error


def _ranking(row: Mapping[str, Any]) -> Ranking:
    if "why" in row:
        return Ranking(why=str(row["why"]))
    sides: Mapping[str, Side] = {"chosen": "first", "rejected": "second", "tie": "tie", "conflict": "conflict"}
    first, second = (float(value) for value in row["orders"]) if "orders" in row else (0.0, 0.0)
    orders = (first, second) if "orders" in row else None
    return Ranking(float(row["chosen"]), float(row["rejected"]), prefers=sides[row["prefers"]], orders=orders)
