"""Filter for preference pairs with a clear preference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal, NamedTuple

from assay.components.filters.columns import check_choice
from assay.core.errors import FieldError
from assay.core.roles import Decision, ScoreTable
from assay.text.prompting.rankings import SENTENCES

PREFERRED, CUT, NO_MARGIN = "preferred", "cut-off", "margin unknown"


class _Pair(NamedTuple):
    """A row of the table."""

    id: str
    verdict: str
    chosen: str
    rejected: str
    whole: str
    """Whether the chosen answer is complete: "no", or anything else."""
    other_whole: str
    """The same for the rejected answer."""
    margin: str


@dataclass(frozen=True)
class ClearPreference:
    """Keep pairs whose field `verdict` is empty; drop the others, with the verdict, such as "tie", as the rule.

    A pair without two answers is dropped too ("missing"), and so is one with equal answers ("equal"), whatever its
    verdict. Further rules: "cut-off" if an answer was truncated and `truncated` is "drop"; "margin under X"; "margin
    unknown" if `margin` is set and the pair has none. The generator or source defines the scale of the margin.
    """

    truncated: Literal["keep", "drop"] = "keep"
    margin: float | None = None
    """Minimum margin of the chosen answer."""
    chosen: str = "chosen"
    """Fields of the two answers."""
    rejected: str = "rejected"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("ClearPreference", "truncated", self.truncated, ("keep", "drop"))
        if self.margin is not None and not (isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"ClearPreference.margin must be 0 or more, was {self.margin}.")

        if not self.chosen or not self.rejected or self.chosen == self.rejected:
            raise ValueError(
                f"ClearPreference.chosen and rejected must name two fields, were {self.chosen!r} and {self.rejected!r}."
            )

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        chosen, rejected = table.field_values(self.chosen), table.field_values(self.rejected)
        nothing = [""] * len(table)
        verdicts = table.fields.get("verdict", nothing)
        whole, other_whole = (table.fields.get(f"{side}_whole", nothing) for side in (self.chosen, self.rejected))
        margins = table.field_values("margin") if self.margin is not None else nothing
        rows = zip(table.ids, verdicts, chosen, rejected, whole, other_whole, margins, strict=True)
        return [self._decision(_Pair(*row)) for row in rows]

    def _decision(self, pair: _Pair) -> Decision:
        chosen, rejected = pair.chosen.strip(), pair.rejected.strip()
        broken = pair.verdict or ("missing" if not chosen or not rejected else "")
        broken = broken or ("equal" if chosen == rejected else "")
        if broken:
            return Decision(False, broken, SENTENCES.get(broken, "Its maker says so."))
        if self.truncated == "drop" and "no" in (pair.whole, pair.other_whole):
            subject = "Both answers were" if pair.whole == pair.other_whole else "An answer was"
            return Decision(False, CUT, f"{subject} cut at the token limit.")
        return self._by_margin(pair.margin, pair.id)

    def _by_margin(self, margin: str, id_: str) -> Decision:
        if self.margin is None:
            return Decision(True, PREFERRED, "an answer is preferred")
        if not margin.strip():
            return Decision(False, NO_MARGIN, "Nothing says by how much the chosen answer is better.")
        try:
            value = float(margin)
        except ValueError as error:
            raise FieldError(
                f"The margin of pair {id_} must be a number, was {margin!r}.", name="margin", sample=id_, value=margin
            ) from error
        # False for NaN, too.
        keep = value >= self.margin
        return Decision(keep, PREFERRED if keep else f"margin under {self.margin:g}", f"The margin is {value:.4g}.")
