"""Where a text says outright what its answer is."""

# ruff: noqa: RUF001 -- dashes, quotation marks and colons of every kind are what is read here.
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

REGION = 1000
"""At most so many characters after a declaration are looked at."""
Declaration: TypeAlias = Literal["hashes", "boxed", "answer_is", "answer_colon", "continued"]
MOST = 32
"""At most so many declarations, the last ones, are looked at."""
_MARK = r"[*_`]{0,3}"
_DECLARED = re.compile(
    rf"""(?P<hashes>\#{{4}}[ \t]*)
    | (?P<boxed>\\(?:boxed|fbox)\s?\{{)
    | (?P<answer_is>\b(?ai:answer)\b(?:\sto\s[^.!?:\n(]{{1,60}}?(?=\s\(|\s(?:is|are|was)\b))?
        (?:\s?\([^()\n]{{1,40}}\))?\s?{_MARK}\s?\b
        (?:(?ai:is|are|was|would\ be|should\ be|must\ be|will\ be)\b(?:\s?:)?{_MARK}|(?=(?ai:cannot|can't|isn't)\b))
      | \b(?ai:correct|right|best)\s(?ai:choice|option|statement)\s(?ai:is)\b(?:\s?:)?{_MARK}
      | (?:정답|해답|답안|답변|답)[ ]?{_MARK}(?:은|는)(?:\s?[:：])?{_MARK})
    | (?P<answer_colon>\b(?ai:answer)\s?{_MARK}\s?[:：=]{_MARK}|(?:정답|해답|답안|답변|답)\s?{_MARK}\s?[:：]{_MARK})""",
    re.VERBOSE,
)
_END = re.compile(r"[。！？\n]|[.!?](?=[\"'”’)\]*_`]*(?:\s|\Z))")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mrs?|Ms|St|Prof|Jr|Sr|vs|No|Mt|Lt|Gen|e\.g|i\.e)|(?:\A|\.\s?|\b[A-Z][a-z]{1,15}\s)[A-Z])\Z"
)
_BLANK = re.compile(r"[\s*_`]*")
_DENIAL = re.compile(
    r"[\s:*_`]*(?ai:(?:still\s|currently\s)?(?:not|cannot|can't|isn't|unknown|unclear|undetermined|undefined|impossible|indeterminate)\b)"
    r"|.{0,40}?(?:알 수 없|모르|불가능|없습니다|없다)",
)


@dataclass(frozen=True)
class Declared:
    """What follows one declaration."""

    rule: Declaration
    start: int
    """Where the answer may begin: after the words that announce it, and the spaces and Markdown after them."""
    end: int
    """Where its sentence ends, or its braces; never beyond the next declaration."""
    denied: bool
    """Whether it goes on to say that there is none: "the answer is not known"."""


def declarations(text: str, *, continues: bool = False) -> list[Declared]:
    r"""Declarations of `text`, the last one first.

    * hashes: "#### 42", as GSM8K's solutions end (Cobbe et al. 2021).
    * boxed: LaTeX's \boxed{42}, as MATH's solutions end (Hendrycks et al. 2021).
    * answer_is: "the answer is", "answer to ... is", "the answer (arabic numerals) is", "the correct choice is",
      정답은.
    * answer_colon: "Answer:", "**Final answer:**", 정답:.
    * continued: the start, where `continues`: the text is what a model said after one of these.

    What is declared reaches to the end of its sentence or line, or of its box; if nothing else stands on the line, the
    next line that is not blank is meant. A full stop after "Dr" and its like, or an initial ("U.S.", "George W. Bush"),
    ends no sentence.
    """
    found = deque(_DECLARED.finditer(text), maxlen=MOST)
    places = [(cast(Declaration, match.lastgroup), match.end(), match.start()) for match in found]
    if continues:
        places.insert(0, ("continued", 0, 0))
    limits = [*(begin for _, _, begin in places), len(text)][1:]
    regions = [_region(text, *place[:2], limit) for place, limit in zip(places, limits, strict=True)]
    return [one for one in regions[::-1] if one.start < one.end]


def sentence_end(text: str, start: int, limit: int) -> int:
    """Where the sentence at `start` ends, before its full stop; at most `limit`."""
    for match in _END.finditer(text, start, limit):
        if match[0] != "." or not _ABBREVIATION.search(text[max(start, match.start() - 20) : match.start()]):
            return match.start()
    return limit


def _region(text: str, rule: Declaration, start: int, limit: int) -> Declared:
    limit = min(limit, start + REGION)
    blank = _BLANK.match(text, start, limit)
    start = blank.end() if blank else start
    end = _closing(text, start, limit) if rule == "boxed" else sentence_end(text, start, limit)
    return Declared(rule, start, end, bool(_DENIAL.match(text, start, end)))


def _closing(text: str, start: int, limit: int) -> int:
    r"""The brace that closes the one before `start`; `limit` if none does."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, start, limit):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.start()
    return limit
