"""Keep what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.components.filters.columns import check_choice
from assay.core.roles import Decision, ScoreTable
from assay.text.similarity.novelty import Novelty, NoveltyFilter, Rule
from assay.text.similarity.tokens import ascii_tokens, tokens


@dataclass(frozen=True)
class Novel:
    """Drops a sample whose text has a ROUGE-L F above `threshold` with one kept before it (Wang et al. 2022, 2.2).

    Exact and greedy, in the order of the samples: so what comes first is kept, and every dropped sample has a neighbor
    that was kept, which its reason names. A filter before this one takes from it what it may be compared with. A text
    without words is like nothing, and kept.
    """

    text: str = "instruction"
    """The field that is compared."""
    threshold: float = 0.7
    strict: bool = False
    """Drop what has just that F, too: the paper says "below 0.7", its code drops above 0.7."""
    words: Literal["any", "ascii"] = "any"
    """Of any script, or rouge_score's, which knows a to z and digits alone."""

    version: ClassVar[int] = 1
    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("Novel", "words", self.words, ("any", "ascii"))
        if not 0 < self.threshold <= 1:
            raise ValueError(f"Novel.threshold must be above 0 and at most 1, was {self.threshold}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        rule = Rule(self.threshold, self.strict)
        judge = NoveltyFilter(rule, tokens if self.words == "any" else ascii_tokens)
        said = f"ROUGE-L F of {self.text} with all kept before {rule}"
        return [_decision(one, table.ids, said) for one in judge.add_all(table.field_values(self.text))]


def _decision(found: Novelty, ids: Sequence[str], rule: str) -> Decision:
    if found.nearest is None:
        return Decision(True, rule, "nothing kept before it is so like it")
    return Decision(False, rule, f"like {ids[found.nearest]}: ROUGE-L F {found.score:.4f}")
