"""What a model answered, out of the words it answered with; or None, never a guess passed off as a reading.

Each reading names the rule that made it. Rules are of two sorts. Explicit ones: the text declares its answer
(`declarations`: hashes, boxed, answer_is, answer_colon, continued) or is nothing but an answer (whole). Fallbacks: the
text only ends, begins or agrees so. An explicit rule beats every fallback; of several declarations the last one counts
that can be read. Where the last one that holds an answer holds two ("3 or 4", "(A) or (B)"), or says that there is
none, the reading is None and no fallback is tried.

`strict` leaves explicit rules only, and of declarations only those whose answer comes first, after nothing but marks.
lm-evaluation-harness (tasks gsm8k and gsm8k_cot) has the same pair: strict-match takes the first "#### 42" or "The
answer is 42", flexible-extract the last number of all. We differ: the last declaration counts and not the first, since
models correct themselves; and without `strict` a declaration is still believed before the last number is.

No text raises, and all take time linear in its length.
"""

# ruff: noqa: RUF001 -- dashes, quotation marks and colons of every kind are what is read here.
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from assay.text.answers.normalization import Numeral, numerals, plain

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
TAIL = 10_000
"""Characters at the end of a text in which a number is looked for that nothing declares."""
_MARKS = re.compile(r"[\s*_`\"'“”‘’()\[\]:$\\=≈~.,!。{}]*")
_EDGE = re.compile(r"(?:[.!?。]\s|[！？。\n])")
_SUFFIX = r"(?:입니다|이에요|예요|이다|이며|이고|다|요)?"
_YES_NO = {
    **dict.fromkeys(("yes", "true", "예", "네", "참"), "yes"),
    **dict.fromkeys(("no", "false", "아니요", "아니오", "아뇨", "거짓"), "no"),
}
_FIRST_WORD = re.compile(
    rf"(?P<word>(?ai:yes|no|true|false)\b|(?:아니요|아니오|아뇨|거짓|예|네|참)(?={_SUFFIX}(?:\W|\Z)))"
)
_LEADING = re.compile(
    r"(?P<word>(?ai:yes|true|false)\b|(?:(?ai:no)\b|아니요|아니오|아뇨|예|네|거짓|참)"
    r"(?=[*_`\"')]{0,3}(?:\s?[.,;:!。，—–]|\s*\Z|\s?\n)))"
)
_BOTH = re.compile(
    r"[*_`\"']{0,3}\s?(?ai:and|or|/|&|또는|이나)\s?[*_`\"']{0,3}(?ai:yes|no|true|false|예|네|참|아니|거짓)"
)
_ANY_WORD = re.compile(
    r"(?P<denied>(?:\b(?ai:not|never|nor|neither)|n['’]t)\s(?:\w{1,15}\s)?)?\b"
    r"(?P<word>(?ai:yes|true|false)\b|(?ai:no)\b(?=[*_`\"')]{0,3}\s?(?:[.;!]|\Z)))"
)
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|‘([^’\n]+)’|'([^'\n]+)'(?!\w)|`([^`\n]+)`|\*\*([^*\n]+)\*\*")
_KOREAN_END = re.compile(r"(?<=[\w)\]\"'”’])(?:입니다|이에요|예요|이다)\Z")

Fallback: TypeAlias = Literal[
    "equals", "last_number", "is_correct", "leading", "only_letter", "choice_text", "only_word"
]
Rule: TypeAlias = Declaration | Literal["whole"] | Fallback


@dataclass(frozen=True)
class Extracted:
    """One answer as it was read."""

    value: str
    """A number as `plain` writes it, a letter of the choices, "yes" or "no", or the words of a span."""
    rule: Rule
    """What it was read by."""
    start: int
    end: int
    """Where it stands in the text, with its currency, percent sign and sign."""


def extract_number(
    text: str, *, strict: bool = False, continues: bool = False, by: Declaration | Literal["last"] | None = None
) -> Extracted | None:
    """The one number that `text` answers with.

    What is a number: see `numerals`. `value` is exact and written in one way, so equal numbers have equal values;
    units, percent and currency are left out. Rules, in order:

    1. whole: the text is a number and marks around it.
    2. A declaration, the last first: the number after the last "=" of its sentence, or else the first number in it;
       after "####" only a number that follows at once. With `strict` it must follow at once everywhere.
    3. equals: of the last sentence with a number, the number after the last "=".
    4. last_number: the last number; dates, times, ordinals and words such as "B2" are no numbers.

    A list, range or unfinished sum is not one number: where it stands in the place of the answer, None.
    With `by` only that sort of declaration counts, or with "last" only the fallbacks 3 and 4. `continues` says that the
    text goes on from "the answer is", as the second answer of zero-shot chain-of-thought.
    """
    if by == "last":
        return _last_number(text)
    if by is None and len(text) <= TAIL and (whole := _whole_number(text)):
        return whole
    for one in (one for one in declarations(text, continues=continues) if by in (None, one.rule)):
        if one.denied:
            return None
        found = _declared_number(text, one, strict=strict or one.rule == "hashes")
        if found is not None:
            return _read(found, one.rule)
    return None if strict or by else _last_number(text)


def extract_yes_no(text: str, *, strict: bool = False, continues: bool = False) -> Extracted | None:
    """Whether `text` answers yes or no; "true" and 예, 네, 참 are yes, "false" and 아니요, 아니오, 아뇨, 거짓 are no.

    1. A declaration, the last first, that begins with one of these words, after nothing but marks; None if with two
       ("yes and no").
    2. whole: the text is one of them and marks around it.
    3. leading: the text begins with one, and 네, 예, "no" are followed by punctuation ("No one", 네 개 are no answers).
    4. only_word: "yes", "true", "false" anywhere, "no" where it ends a sentence, if all of them say the same, and none
       comes after "not".
    """
    for one in declarations(text, continues=continues):
        marks = _MARKS.match(text, one.start, one.end)
        at = marks.end() if marks else one.start
        if found := _FIRST_WORD.match(text, at, one.end):
            return None if _BOTH.match(text, found.end()) else _said(found, one.rule)
        if one.denied:
            return None
    marks = _MARKS.match(text)
    at = marks.end() if marks else 0
    if (found := _FIRST_WORD.match(text, at)) and _only_marks(text, found.end(), len(text)):
        return _said(found, "whole")
    if strict:
        return None
    if (found := _LEADING.match(text, at)) and not _BOTH.match(text, found.end()):
        return _said(found, "leading")
    return _only_word(text)


def extract_span(text: str, *, continues: bool = False) -> Extracted | None:
    """The words that `text` declares to be its answer; there is no fallback.

    The last declaration that is not empty, to the end of its sentence, without the quotation marks, Markdown and spaces
    around it and without 입니다; where it begins with a quotation, that alone. Always a part of the text as it stands.
    """
    for one in declarations(text, continues=continues):
        if one.denied:
            return None
        start, end = one.start, one.end
        if quoted := _QUOTED.match(text, start, min(len(text), start + TAIL)):
            start, end = quoted.span(quoted.lastindex or 0)
        if (place := _stripped(text, start, end)) is not None:
            return Extracted(text[place[0] : place[1]], one.rule, *place)
    return None


def _read(found: Numeral, rule: Rule) -> Extracted | None:
    if found.value is None:
        return None
    return Extracted(plain(found.value), rule, found.start, found.end)


def _only_marks(text: str, start: int, end: int) -> bool:
    return _MARKS.fullmatch(text, start, end) is not None


def _whole_number(text: str) -> Extracted | None:
    found = numerals(text, 0, len(text))
    if len(found) != 1 or found[0].other:
        return None
    one = found[0]
    return _read(one, "whole") if _only_marks(text, 0, one.start) and _only_marks(text, one.end, len(text)) else None


def _declared_number(text: str, one: Declared, *, strict: bool) -> Numeral | None:
    """The place of the number in a declaration; its value may be None."""
    found = numerals(text, one.start, one.end)
    if found and _only_marks(text, one.start, found[0].start) and (strict or found[0].other):
        return found[0]
    return None if strict else _after_equals(text, one.start, found) or next((n for n in found if not n.other), None)


def _after_equals(text: str, start: int, found: list[Numeral]) -> Numeral | None:
    """The last of `found` that stands after "=", and marks."""
    before = [start, *(one.end for one in found[:-1])]
    after = [
        one
        for begin, one in zip(before, found, strict=False)
        if not one.other and re.search(r"[=≈][\s*_`$\\{(\[]{0,6}\Z", text[max(begin, one.start - 10) : one.start])
    ]
    return after[-1] if after else None


def _last_number(text: str) -> Extracted | None:
    start = max(0, len(text) - TAIL)
    while 0 < start < len(text) and not text[start - 1].isspace():
        start += 1
    found = [one for one in numerals(text, start, len(text)) if not one.other]
    if not found:
        return None
    edges = [edge.end() for edge in _EDGE.finditer(text, start, found[-1].start)]
    sentence = [one for one in found if one.start >= max(edges, default=start)]
    equal = _after_equals(text, max(edges, default=start), sentence)
    return _read(equal, "equals") if equal else _read(found[-1], "last_number")


def _said(found: re.Match[str], rule: Rule) -> Extracted:
    value = _YES_NO[found["word"].lower()]
    return Extracted(value, rule, *found.span("word"))


def _only_word(text: str) -> Extracted | None:
    last = None
    for match in _ANY_WORD.finditer(text):
        said = _said(match, "only_word")
        if match["denied"] or (last is not None and last.value != said.value):
            return None
        last = said
    return last


def _stripped(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Without what stands around an answer; None if nothing is left."""
    edge = " \t\r\n*_`\"'“”‘’.,;:!。$"
    while start < end and text[start] in edge:
        start += 1
    while start < end and text[end - 1] in edge:
        end -= 1
    if found := _KOREAN_END.search(text[start:end]):
        return _stripped(text, start, start + found.start())
    return (start, end) if start < end else None


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
