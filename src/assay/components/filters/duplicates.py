"""Exact deduplication."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from assay.components.filters.columns import check_choice, check_different
from assay.core.roles import Decision, ScoreTable
from assay.text.similarity.tokens import normalize_case

Punctuation = Literal["keep", "ignore"]
HISTORY = "history"
"""Earlier messages of a dialogue."""


@dataclass(frozen=True)
class Duplicates:
    """Drop a sample whose `fields` equal those of an earlier sample that was kept.

    Texts are compared after NFKC normalization and case folding, with runs of white space as one space. Greedy, in the
    order of the samples: the first of equal samples is kept, and the reason of each dropped one names it. Samples that
    an earlier filter dropped are not compared. If all samples have a `history`, it is compared too: two dialogues that
    end with the same words are different.
    """

    fields: tuple[str, ...] = ("instruction", "input")
    """Fields to compare, each with the same field of the other sample."""
    punctuation: Punctuation = "keep"
    """Whether punctuation is compared. "ignore" replaces it by spaces, unless the text has nothing else; "C#" then
    equals "C".
    """

    version: ClassVar[int] = 2
    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_different("Duplicates", "fields", self.fields)
        check_choice("Duplicates", "punctuation", self.punctuation, ("keep", "ignore"))

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        rule = f"each {' and '.join(self.fields)} once"
        dialogues = "instruction" in self.fields and HISTORY in table.fields and HISTORY not in self.fields
        fields = (HISTORY, *self.fields) if dialogues else self.fields
        raw = list(zip(*(table.field_values(name) for name in fields), strict=True))
        first: dict[tuple[str, ...], int] = {}
        decisions = []
        for row, texts in enumerate(raw):
            first_row = first.setdefault(tuple(plain(text, self.punctuation) for text in texts), row)
            if first_row == row:
                decisions.append(Decision(True, rule, "nothing kept before it is the same"))
            else:
                how = "" if raw[first_row] == texts else ", but for how it is written"
                decisions.append(Decision(False, rule, f"the same as {table.ids[first_row]}{how}"))
        return decisions


def plain(text: str, punctuation: Punctuation) -> str:
    """Return the normalized form of a text that is compared."""
    whole = normalize_case(text).replace("\u200b", "")  # zero-width space
    bare = (
        "".join(" " if _is_mark(character) else character for character in whole) if punctuation == "ignore" else whole
    )
    return " ".join(bare.split()) or " ".join(whole.split())


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("P")
