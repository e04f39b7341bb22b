"""What rankers say of two answers, and what comes of it when several are asked.

A pair is a task or dialogue with the fields `chosen` and `rejected`, two answers. Its field `verdict` is empty where
rankers preferred `chosen`; else it is one of `SENTENCES`, and the two are only the first and the second answer.
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
"""Verdict to what it says."""
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
"""What a pair has beside its prompt; all of it text, "" where it is not known."""
Side: TypeAlias = Literal["first", "second", "tie", "conflict"]
Agree: TypeAlias = Literal["all", "majority"]
SIDES: tuple[Side, ...] = ("first", "second", "tie", "conflict")


@dataclass(frozen=True)
class Opinion:
    """What one ranker says of two answers, or why it says nothing."""

    first: float | None = None
    """Its number for the first answer, on its own scale; None where it could not say."""
    second: float | None = None
    better: float = 0.0
    """By how much the first is better: above 0 also where a lower number is the better one."""
    prefers: Side = "tie"
    orders: tuple[float, float] | None = None
    """Of a judge that saw both orders: the worth of the first answer in each, 0 to 1."""
    why: str = ""
    """It says nothing for this reason."""

    @property
    def says(self) -> bool:
        """Whether it says anything."""
        return self.first is not None

    @property
    def turned(self) -> Opinion:
        """The same of the answers the other way round."""
        sides: Mapping[Side, Side] = {"first": "second", "second": "first"}
        orders = None if self.orders is None else (1 - self.orders[0], 1 - self.orders[1])
        prefers = sides.get(self.prefers, self.prefers)
        return Opinion(self.second, self.first, -self.better, prefers, orders, self.why)


def pointwise(first: float, second: float, *, lower: bool = False, least: float = 0.0) -> Opinion:
    """Of a ranker that gives each answer a number; a difference below `least` is a tie."""
    better = second - first if lower else first - second
    prefers: Side = "tie" if not better or abs(better) < least else "first" if better > 0 else "second"
    return Opinion(first, second, better, prefers)


def pairwise(worth: float, orders: tuple[float, float] | None = None) -> Opinion:
    """Of a judge that says what the first answer is worth beside the second, 0 to 1; 1/2 is a tie.

    Where it saw both orders and they disagree, it is at odds with itself: a conflict, and no tie.
    """
    apart = orders is not None and orders[0] != orders[1]
    prefers: Side = "conflict" if apart else "tie" if worth == 0.5 else "first" if worth > 0.5 else "second"
    return Opinion(worth, 1 - worth, 2 * worth - 1, prefers, orders)


def settled(opinions: Sequence[Opinion], agree: Agree = "all") -> Side | Literal["unranked"]:
    """What rankers together say of two answers.

    Those that could say nothing are left out. With "all" every other one must prefer the same answer; with "majority"
    more than half of them. Else it is a conflict where somebody prefers either answer, or is at odds with himself, and
    a tie where not.
    """
    said = [one.prefers for one in opinions if one.says]
    if not said:
        return "unranked"
    needed = len(said) if agree == "all" else len(said) // 2 + 1
    for side in SIDES[:2]:
        if said.count(side) >= needed:
            return side
    return "conflict" if "conflict" in said or {"first", "second"} <= set(said) else "tie"


def net(opinions: Sequence[Opinion]) -> float:
    """How many more prefer the first answer than the second, as a share of those who could say: -1 to 1."""
    said = [one.prefers for one in opinions if one.says]
    return (said.count("first") - said.count("second")) / len(said) if said else 0.0


def write_rankings(opinions: Mapping[str, Opinion]) -> str:
    """The field `rankings` of a pair whose first answer is `chosen`: ranker to what it says.

    Example: {"likes": {"chosen": 0.7, "rejected": 0.2, "prefers": "chosen"}, "judge": {"why": "unparsed: ..."}}
    """
    names = {"first": "chosen", "second": "rejected"}
    rows: dict[str, Any] = {}
    for name, one in opinions.items():
        rows[name] = {"why": one.why}
        if one.says:
            prefers = names.get(one.prefers, one.prefers)
            rows[name] = {"chosen": one.first, "rejected": one.second, "prefers": prefers}
        if one.orders is not None:
            rows[name]["orders"] = list(one.orders)
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def read_rankings(text: str, owner: str = "") -> dict[str, Opinion]:
    """What `write_rankings` has written; nothing where it is blank. How much better is not among it.

    Raises:
        FieldError: It is something else; `owner` is the sample's id, for the message.
    """
    if not text.strip():
        return {}
    try:
        return {str(name): _opinion(row) for name, row in json.loads(text).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FieldError(
            f"The rankings of pair {owner} cannot be read.",
            hint='Expected a JSON object such as {"judge": {"chosen": 1, "rejected": 0, "prefers": "chosen"}}.',
        ) from error


def _opinion(row: Mapping[str, Any]) -> Opinion:
    if "why" in row:
        return Opinion(why=str(row["why"]))
    sides: Mapping[str, Side] = {"chosen": "first", "rejected": "second", "tie": "tie", "conflict": "conflict"}
    one, two = (float(value) for value in row["orders"]) if "orders" in row else (0.0, 0.0)
    orders = (one, two) if "orders" in row else None
    return Opinion(float(row["chosen"]), float(row["rejected"]), prefers=sides[row["prefers"]], orders=orders)
