"""Results of a novelty filter on a file of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.analysis.format import percent
from assay.components.sources.text.texts import TextRow
from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule
from assay.text.similarity.tokens import Tokenizer, ascii_tokens, is_character_tokenized, tokens

Words = Literal["any", "ascii"]
FEW = 3
"""Texts with fewer tokens are reported, since one word decides their similarity."""
MANY = 0.05
"""Proportion of texts compared by character from which a caution is printed."""


@dataclass(frozen=True)
class RepeatedText:
    """A kept text, the number of texts dropped as its near-duplicates, and the first of them."""

    nearest: TextRow
    from_against: bool
    """Whether the kept text comes from the --against file."""
    count: int
    example: TextRow
    score: float


@dataclass(frozen=True)
class NoveltyResult:
    """Counts of a novelty filter run on one file."""

    rule: NoveltyRule
    words: Words
    texts: int
    kept: int
    same: int
    """Dropped with F1 = 1: exact duplicates in the tokens used."""
    against: int
    """Texts of the --against file."""
    few: int
    """Texts with fewer than FEW tokens."""
    characters: int
    """Texts that are compared by character."""
    repeated: Sequence[RepeatedText]
    """Most repeated first."""


def tokenizer(words: Words) -> Tokenizer:
    """Tokenizer of a tokenization name."""
    return tokens if words == "any" else ascii_tokens


def novelty_filter(rule: NoveltyRule, words: Words, against: Sequence[TextRow]) -> NoveltyFilter:
    """Novelty filter that has already seen the texts of `against`."""
    filter_ = NoveltyFilter(rule, tokenizer(words))
    filter_.add_references(row.text for row in against)
    return filter_


def novelty_result(
    rule: NoveltyRule,
    words: Words,
    rows: Sequence[TextRow],
    decisions: Sequence[NoveltyDecision],
    against: Sequence[TextRow] = (),
) -> NoveltyResult:
    """Count the decisions on `rows` of a filter that had seen `against`."""
    texts = [*against, *rows]
    dropped = [(row, decision) for row, decision in zip(rows, decisions, strict=True) if decision.nearest is not None]
    first: dict[int | None, tuple[TextRow, NoveltyDecision]] = {}
    for row, decision in dropped:
        first.setdefault(decision.nearest, (row, decision))
    counts = Counter(decision.nearest for _, decision in dropped)
    copies = [
        RepeatedText(texts[nearest], nearest < len(against), count, *_example(first[nearest]))
        for nearest, count in counts.most_common()
        if nearest is not None
    ]
    tokenize = tokenizer(words)
    return NoveltyResult(
        rule=rule,
        words=words,
        texts=len(rows),
        kept=len(rows) - len(dropped),
        same=sum(decision.score == 1.0 for _, decision in dropped),
        against=len(against),
        few=sum(len(tokenize(row.text)) < FEW for row in rows),
        characters=sum(is_character_tokenized(row.text) for row in rows),
        repeated=copies,
    )


def summary(result: NoveltyResult) -> list[str]:
    """Summary sentences: counts, rule and cautions."""
    rule = "below" if result.rule.strict else "at most"
    before = f" and the {_texts(result.against, result.against, 'given ')}" if result.against else ""
    sentences = [
        f"Kept {result.kept:,} of {_texts(result.texts, result.texts)}{_copies(result)}.",
        f"Rule: a text is kept if its ROUGE-L F1 with all texts kept before{before} is {rule} {result.rule.limit:g}; "
        f"tokens: {'words of any script' if result.words == 'any' else 'ASCII letters and digits only'}.",
    ]
    if result.few:
        sentences.append(
            f"Fewer than {FEW} words: {_texts(result.few, result.texts)}. A single word decides their similarity; a "
            "text without words has no near-duplicates."
        )
    return sentences + _caution(result)


def _caution(result: NoveltyResult) -> list[str]:
    if result.characters < MANY * result.texts:
        return []
    many = f"Caution: {_texts(result.characters, result.texts)} in Korean, Chinese or another script"
    if result.words == "ascii":
        return [f"{many} without ASCII tokens: such texts are dropped or merged. Use --tokens any."]
    return [
        f"{many} compared by character. F1 is higher there: texts that differ in one word may exceed 0.9. "
        "Check the dropped texts, or filter such texts separately with a higher threshold."
    ]


def novelty_data(
    result: NoveltyResult,
    rows: Sequence[TextRow],
    decisions: Sequence[NoveltyDecision],
    against: Sequence[TextRow] = (),
) -> dict[str, Any]:
    """Results as JSON, with every dropped text."""
    texts = [*against, *rows]
    dropped = [
        {
            "line": row.line,
            "text": row.text,
            "nearest": _place(texts[decision.nearest], decision.nearest < len(against)),
            "f": decision.score,
        }
        for row, decision in zip(rows, decisions, strict=True)
        if decision.nearest is not None
    ]
    return {
        "rule": {"score": "ROUGE-L F", "limit": result.rule.limit, "strict": result.rule.strict, "words": result.words},
        "texts": result.texts,
        "kept": result.kept,
        "same": result.same,
        "against": result.against,
        "few_words": result.few,
        "by_character": result.characters,
        "summary": summary(result),
        "dropped": dropped,
    }


def _place(row: TextRow, from_against: bool) -> dict[str, Any]:
    return {"in": "against" if from_against else "file", "line": row.line, "text": row.text}


def _texts(count: int, of: int, which: str = "") -> str:
    rate = "" if count == of else f" ({percent(count / of)})"
    return f"{count:,} {which}text{'' if count == 1 else 's'}{rate}"


def _copies(result: NoveltyResult) -> str:
    dropped = result.texts - result.kept
    if not dropped:
        return ""
    rate = f" ({percent(result.kept / result.texts)})"
    return f"{rate}; dropped {result.same:,} exact and {dropped - result.same:,} near duplicates"


def _example(first: tuple[TextRow, NoveltyDecision]) -> tuple[TextRow, float]:
    return first[0], first[1].score
