"""Novelty filter by ROUGE-L."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.components.filters.columns import check_choice
from assay.core.roles import Decision, ScoreTable
from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule
from assay.text.similarity.tokens import ascii_tokens, tokens


@dataclass(frozen=True)
class Novel:
    """Drop a sample whose text has a ROUGE-L F above `threshold` with an earlier one that was kept.

    Source: Wang et al. 2022, section 2.2. Exact and greedy, in the order of the samples: the first of similar samples
    is kept, and the reason of each dropped one names its neighbor. Samples that an earlier filter dropped are not
    compared. A text without words is kept.
    """

    text: str = "instruction"
    """Field to compare."""
    threshold: float = 0.7
    strict: bool = False
    """Drop texts with exactly that F too: the paper says "below 0.7", its code drops above 0.7."""
    words: Literal["any", "ascii"] = "any"
    """Tokens of any script, or those of rouge_score: a to z and digits only."""

    version: ClassVar[int] = 1
    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("Novel", "words", self.words, ("any", "ascii"))
        if not 0 < self.threshold <= 1:
            raise ValueError(f"Novel.threshold must be above 0 and at most 1, was {self.threshold}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        rule = NoveltyRule(self.threshold, self.strict)
        judge = NoveltyFilter(rule, tokens if self.words == "any" else ascii_tokens)
        name = f"ROUGE-L F of {self.text} with all kept before {rule}"
        return [_decision(novelty, table.ids, name) for novelty in judge.add_all(table.field_values(self.text))]


def _decision(novelty: NoveltyDecision, ids: Sequence[str], rule: str) -> Decision:
    if novelty.nearest is None:
        return Decision(True, rule, "nothing kept before it is so like it")
    return Decision(False, rule, f"like {ids[novelty.nearest]}: ROUGE-L F {novelty.score:.4f}")
