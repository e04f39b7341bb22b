"""What a novelty filter did to a file of texts, in numbers and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.components.sources.text.texts import TextRow
from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule
from assay.text.similarity.tokens import Tokenizer, ascii_tokens, is_character_tokenized, tokens

Words = Literal["any", "ascii"]
FEW = 3
"""Texts of fewer tokens than this are alike or not by one word."""
MANY = 0.05
"""Share of texts compared by the character from which on the reader is warned."""


@dataclass(frozen=True)
class Copies:
    """A text that was held, what was dropped for being like it, and the first of those."""

    nearest: TextRow
    given: bool
    """Whether it is one of those the file was compared with, and not of the file."""
    count: int
    example: TextRow
    score: float


@dataclass(frozen=True)
class NoveltyResult:
    """Counts of one file."""

    rule: NoveltyRule
    words: Words
    texts: int
    kept: int
    same: int
    """Dropped with F of 1: word for word like a text that was held."""
    against: int
    """Texts of the other file."""
    few: int
    """Texts of fewer tokens than FEW."""
    characters: int
    """Texts that are compared by the character."""
    repeated: Sequence[Copies]
    """Most repeated first."""


def tokenizer(words: Words) -> Tokenizer:
    """What cuts a text into `words`."""
    return tokens if words == "any" else ascii_tokens


def judge_of(rule: NoveltyRule, words: Words, against: Sequence[TextRow]) -> NoveltyFilter:
    """A filter that holds the texts of `against` already."""
    judge = NoveltyFilter(rule, tokenizer(words))
    judge.add_references(row.text for row in against)
    return judge


def novelty_result(
    rule: NoveltyRule,
    words: Words,
    rows: Sequence[TextRow],
    judged: Sequence[NoveltyDecision],
    against: Sequence[TextRow] = (),
) -> NoveltyResult:
    """Counts what was decided of `rows` by a filter that held `against`."""
    held = [*against, *rows]
    dropped = [(row, one) for row, one in zip(rows, judged, strict=True) if one.nearest is not None]
    first: dict[int | None, tuple[TextRow, NoveltyDecision]] = {}
    for row, one in dropped:
        first.setdefault(one.nearest, (row, one))
    counts = Counter(one.nearest for _, one in dropped)
    copies = [
        Copies(held[nearest], nearest < len(against), count, *_example(first[nearest]))
        for nearest, count in counts.most_common()
        if nearest is not None
    ]
    cut = tokenizer(words)
    return NoveltyResult(
        rule=rule,
        words=words,
        texts=len(rows),
        kept=len(rows) - len(dropped),
        same=sum(one.score == 1.0 for _, one in dropped),
        against=len(against),
        few=sum(len(cut(row.text)) < FEW for row in rows),
        characters=sum(is_character_tokenized(row.text) for row in rows),
        repeated=copies,
    )


def summary(result: NoveltyResult) -> list[str]:
    """Sentences: what was kept, by which rule, and what to beware of."""
    rule = "below" if result.rule.strict else "at most"
    before = f" and the {_texts(result.against, result.against, 'given ')}" if result.against else ""
    said = [
        f"Kept {result.kept:,} of {_texts(result.texts, result.texts)}{_copies(result)}.",
        f"Rule: kept when the ROUGE-L F with all kept before{before} is {rule} {result.rule.limit:g}; "
        f"words: {'of any script' if result.words == 'any' else 'a to z and digits alone'}.",
    ]
    if result.few:
        said.append(
            f"Of fewer than {FEW} words: {_texts(result.few, result.texts)}. A single word decides of them, and one "
            "without any word is like nothing."
        )
    return said + _caution(result)


def _caution(result: NoveltyResult) -> list[str]:
    if result.characters < MANY * result.texts:
        return []
    many = f"Caution, {_texts(result.characters, result.texts)} in Korean, Chinese or another script that is"
    if result.words == "ascii":
        return [f"{many} not read at all by these words: such texts vanish or become one. Take words of any script."]
    return [
        f"{many} compared by the character. F runs high there: texts that differ in one word may pass 0.9. "
        "Look at what was dropped, or filter such texts by themselves with a higher limit."
    ]


def novelty_data(
    result: NoveltyResult, rows: Sequence[TextRow], judged: Sequence[NoveltyDecision], against: Sequence[TextRow] = ()
) -> dict[str, Any]:
    """The same for programs, and every text that was dropped."""
    held = [*against, *rows]
    dropped = [
        {
            "line": row.line,
            "text": row.text,
            "nearest": _place(held[one.nearest], one.nearest < len(against)),
            "f": one.score,
        }
        for row, one in zip(rows, judged, strict=True)
        if one.nearest is not None
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


def _place(row: TextRow, given: bool) -> dict[str, Any]:
    return {"in": "against" if given else "file", "line": row.line, "text": row.text}


def _texts(count: int, of: int, which: str = "") -> str:
    share = "" if count == of else f" ({100 * count / of:.1f} %)"
    return f"{count:,} {which}text{'' if count == 1 else 's'}{share}"


def _copies(result: NoveltyResult) -> str:
    dropped = result.texts - result.kept
    if not dropped:
        return ""
    share = f" ({100 * result.kept / result.texts:.1f} %)"
    return (
        f"{share}; of the others {result.same:,} repeat one kept before word for word, {dropped - result.same:,} nearly"
    )


def _example(first: tuple[TextRow, NoveltyDecision]) -> tuple[TextRow, float]:
    return first[0], first[1].score
