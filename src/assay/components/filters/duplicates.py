"""Keep one of each set of equals."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from assay.components.filters.columns import check_choice, check_different
from assay.core.roles import Decision, ScoreTable
from assay.text.similarity.tokens import folded

Punctuation = Literal["keep", "ignore"]
HISTORY = "history"
"""What was said before a task."""


@dataclass(frozen=True)
class Duplicates:
    """Drops a sample whose `fields` say the same, word for word, as those of one kept before it.

    Compared are the characters as they look (NFKC), whatever their case, with runs of white space as one space. Greedy,
    in the order of the samples: so what comes first is kept, and every dropped sample has an equal that was kept, which
    its reason names. A filter before this one takes from it what it may be compared with. Where every sample has a
    `history`, tasks are compared with it: two dialogues that end with the same words are not the same.
    """

    fields: tuple[str, ...] = ("instruction", "input")
    """The fields that are compared, each with its own."""
    punctuation: Punctuation = "keep"
    """Whether punctuation counts; where not, it is a space, unless the text has nothing else. It is part of some names:
    without punctuation "C#" is "C"."""

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
        found = []
        for row, texts in enumerate(raw):
            kept = first.setdefault(tuple(plain(text, self.punctuation) for text in texts), row)
            if kept == row:
                found.append(Decision(True, rule, "nothing kept before it is the same"))
            else:
                how = "" if raw[kept] == texts else ", but for how it is written"
                found.append(Decision(False, rule, f"the same as {table.ids[kept]}{how}"))
        return found


def plain(text: str, punctuation: Punctuation) -> str:
    """What is compared of a text."""
    whole = folded(text).replace("\u200b", "")  # a space that nobody sees
    bare = "".join(" " if _is_mark(one) else one for one in whole) if punctuation == "ignore" else whole
    return " ".join(bare.split()) or " ".join(whole.split())


@lru_cache(maxsize=4096)
def _is_mark(one: str) -> bool:
    return unicodedata.category(one).startswith("P")
