"""Extraction of answers from model output; None if there is no unambiguous answer.

Every extracted answer has the rule that found it. Explicit rules: the text declares its answer (`declarations`:
hashes, boxed, answer_is, answer_colon, continued) or consists of the answer (whole). Fallbacks use the end, the
beginning or the agreement of the text. Explicit rules have priority; of several declarations the last one with an
answer counts. If it has two answers ("3 or 4", "(A) or (B)") or states that there is none, the result is None without
a fallback.

`strict` uses explicit rules only, and declarations only if the answer follows directly. lm-evaluation-harness (tasks
gsm8k and gsm8k_cot) has the same pair: strict-match takes the first "#### 42" or "The answer is 42", flexible-extract
the last number. Differences: the last declaration counts instead of the first, since models correct themselves; and
without `strict` declarations have priority over the last number.

Extraction never raises and takes time linear in the length of the text.
"""

# ruff: noqa: RUF001 -- dashes, quotation marks and colons of every kind are what is read here.
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from assay.text.answers.normalization import Numeral, numerals, plain

REGION = 1000
"""Maximum number of characters after a declaration that are searched."""
Declaration: TypeAlias = Literal["hashes", "boxed", "answer_is", "answer_colon", "continued"]
MOST = 32
"""Maximum number of declarations; the last ones are used."""
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
"""Characters at the end of a text that are searched for a number without a declaration."""
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
    """An extracted answer."""

    value: str
    """A number in the form of `plain`, a letter, "yes" or "no", or a text span."""
    rule: Rule
    """Extraction rule."""
    start: int
    end: int
    """End of the span in the text, which includes currency, percent sign and sign."""


def extract_number(
    text: str, *, strict: bool = False, continues: bool = False, by: Declaration | Literal["last"] | None = None
) -> Extracted | None:
    """Extract a number.

    `numerals` defines numbers. `value` is exact and in canonical form, without unit, percent sign and currency, so
    equal numbers have equal values. Rules in order:

    1. whole: the text is a number with marks around it.
    2. Declarations, the last first: the number after the last "=" of the sentence, else the first number in it; after
       "####", and everywhere with `strict`, only a number that follows directly.
    3. equals: in the last sentence with a number, the number after the last "=".
    4. last_number: the last number; dates, times, ordinals and words such as "B2" are not numbers.

    The result is None if a list, a range or an unfinished sum is in the place of the answer. `by` selects one kind of
    declaration, or with "last" the fallbacks 3 and 4. `continues`: the text continues "the answer is", as the second
    answer of zero-shot chain-of-thought.
    """
    if by == "last":
        return _last_number(text)
    if by is None and len(text) <= TAIL and (whole := _whole_number(text)):
        return whole
    for declaration in declarations(text, continues=continues):
        if by not in (None, declaration.rule):
            continue
        if declaration.denied:
            return None
        number = _declared_number(text, declaration, strict=strict or declaration.rule == "hashes")
        if number is not None:
            return _extracted_number(number, declaration.rule)
    return None if strict or by else _last_number(text)


def extract_yes_no(text: str, *, strict: bool = False, continues: bool = False) -> Extracted | None:
    """Extract yes or no; "true" and 예, 네, 참 are yes, "false" and 아니요, 아니오, 아뇨, 거짓 are no.

    1. Declarations, the last first, that begin with one of these words; None for two words ("yes and no").
    2. whole: the text is one of them with marks around it.
    3. leading: the text begins with one; 네, 예 and "no" only before punctuation ("No one", 네 개 are not answers).
    4. only_word: "yes", "true", "false" anywhere and "no" at the end of a sentence, if all agree and none follows
       "not".
    """
    for declaration in declarations(text, continues=continues):
        marks = _MARKS.match(text, declaration.start, declaration.end)
        at = marks.end() if marks else declaration.start
        if match := _FIRST_WORD.match(text, at, declaration.end):
            return None if _BOTH.match(text, match.end()) else _extracted_word(match, declaration.rule)
        if declaration.denied:
            return None
    marks = _MARKS.match(text)
    at = marks.end() if marks else 0
    if (match := _FIRST_WORD.match(text, at)) and _only_marks(text, match.end(), len(text)):
        return _extracted_word(match, "whole")
    if strict:
        return None
    if (match := _LEADING.match(text, at)) and not _BOTH.match(text, match.end()):
        return _extracted_word(match, "leading")
    return _only_word(text)


def extract_span(text: str, *, continues: bool = False) -> Extracted | None:
    """Extract the declared text span; there is no fallback.

    The last nonempty declaration up to the end of its sentence, without quotation marks, Markdown, whitespace and
    입니다 around it; or the quotation at its beginning. The span is always a substring of the text.
    """
    for declaration in declarations(text, continues=continues):
        if declaration.denied:
            return None
        start, end = declaration.start, declaration.end
        if quoted := _QUOTED.match(text, start, min(len(text), start + TAIL)):
            start, end = quoted.span(quoted.lastindex or 0)
        if (place := _stripped(text, start, end)) is not None:
            return Extracted(text[place[0] : place[1]], declaration.rule, *place)
    return None


def _extracted_number(numeral: Numeral, rule: Rule) -> Extracted | None:
    if numeral.value is None:
        return None
    return Extracted(plain(numeral.value), rule, numeral.start, numeral.end)


def _only_marks(text: str, start: int, end: int) -> bool:
    return _MARKS.fullmatch(text, start, end) is not None


def _whole_number(text: str) -> Extracted | None:
    numbers = numerals(text, 0, len(text))
    if len(numbers) != 1 or numbers[0].other:
        return None
    number = numbers[0]
    whole = _only_marks(text, 0, number.start) and _only_marks(text, number.end, len(text))
    return _extracted_number(number, "whole") if whole else None


def _declared_number(text: str, declaration: Declared, *, strict: bool) -> Numeral | None:
    """Number of a declaration; its value may be None."""
    numbers = numerals(text, declaration.start, declaration.end)
    if numbers and _only_marks(text, declaration.start, numbers[0].start) and (strict or numbers[0].other):
        return numbers[0]
    if strict:
        return None
    return _after_equals(text, declaration.start, numbers) or next((n for n in numbers if not n.other), None)


def _after_equals(text: str, start: int, numbers: list[Numeral]) -> Numeral | None:
    """The last of `numbers` that follows "=" and marks."""
    before = [start, *(number.end for number in numbers[:-1])]
    after = [
        number
        for begin, number in zip(before, numbers, strict=False)
        if not number.other
        and re.search(r"[=≈][\s*_`$\\{(\[]{0,6}\Z", text[max(begin, number.start - 10) : number.start])
    ]
    return after[-1] if after else None


def _last_number(text: str) -> Extracted | None:
    start = max(0, len(text) - TAIL)
    while 0 < start < len(text) and not text[start - 1].isspace():
        start += 1
    numbers = [number for number in numerals(text, start, len(text)) if not number.other]
    if not numbers:
        return None
    edges = [edge.end() for edge in _EDGE.finditer(text, start, numbers[-1].start)]
    sentence = [number for number in numbers if number.start >= max(edges, default=start)]
    equal = _after_equals(text, max(edges, default=start), sentence)
    return _extracted_number(equal, "equals") if equal else _extracted_number(numbers[-1], "last_number")


def _extracted_word(match: re.Match[str], rule: Rule) -> Extracted:
    value = _YES_NO[match["word"].lower()]
    return Extracted(value, rule, *match.span("word"))


def _only_word(text: str) -> Extracted | None:
    last = None
    for match in _ANY_WORD.finditer(text):
        answer = _extracted_word(match, "only_word")
        if match["denied"] or (last is not None and last.value != answer.value):
            return None
        last = answer
    return last


def _stripped(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Span without the marks around an answer; None if nothing remains."""
    edge = " \t\r\n*_`\"'“”‘’.,;:!。$"
    while start < end and text[start] in edge:
        start += 1
    while start < end and text[end - 1] in edge:
        end -= 1
    if ending := _KOREAN_END.search(text[start:end]):
        return _stripped(text, start, start + ending.start())
    return (start, end) if start < end else None


@dataclass(frozen=True)
class Declared:
    """Span after a declaration."""

    rule: Declaration
    start: int
    """Start of the answer, after the declaring words, whitespace and Markdown."""
    end: int
    """End of the sentence or the braces, at most the beginning of the next declaration."""
    denied: bool
    """Whether the declaration states that there is no answer: "the answer is not known"."""


def declarations(text: str, *, continues: bool = False) -> list[Declared]:
    r"""Declarations of `text`, the last one first.

    * hashes: "#### 42", as in GSM8K (Cobbe et al. 2021).
    * boxed: LaTeX's \boxed{42}, as in MATH (Hendrycks et al. 2021).
    * answer_is: "the answer is", "answer to ... is", "the answer (arabic numerals) is", "the correct choice is",
      정답은.
    * answer_colon: "Answer:", "**Final answer:**", 정답:.
    * continued: the beginning of the text if `continues`: the prompt ends with a declaration.

    A declaration extends to the end of its sentence, line or box; if the rest of the line is blank, to the next line
    that is not. A full stop after an abbreviation ("Dr") or an initial ("U.S.", "George W. Bush") does not end a
    sentence.
    """
    matches = deque(_DECLARED.finditer(text), maxlen=MOST)
    places = [(cast(Declaration, match.lastgroup), match.end(), match.start()) for match in matches]
    if continues:
        places.insert(0, ("continued", 0, 0))
    limits = [*(begin for _, _, begin in places), len(text)][1:]
    regions = [_region(text, *place[:2], limit) for place, limit in zip(places, limits, strict=True)]
    return [region for region in regions[::-1] if region.start < region.end]


def sentence_end(text: str, start: int, limit: int) -> int:
    """End of the sentence at `start`, before its full stop; at most `limit`."""
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
    r"""Position of the closing brace; `limit` if there is none."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, start, limit):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.start()
    return limit
