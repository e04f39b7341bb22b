"""Which of some lettered choices a text answers with."""

# ruff: noqa: RUF001 -- dashes, quotation marks and colons of every kind are what is read here.
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from assay.text.answers.extraction import Declared, Extracted, Rule, declarations

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ARTICLE = r"(?![ ](?!(?:because|since|as|and|or|which|is|was|would|must|for|due|with|by|given)\b)[A-Za-z])"
_JOIN = re.compile(
    r"[)\].*_`\"'”’]{0,4}\s?(?:,?\s?(?:and/or|and|or)\b|[,/&+]|및|와|과|또는|이나|하고)\s?(?:(?:choice|option)s?\s)?"
    r"[(\[*_`\"'“‘]{0,4}"
)
_OPENING = re.compile(r"[\s*_`\"'“‘:$]*(?:(?ai:option|choice)\s)?[*_`\"'“‘$]*")
_DENIED = re.compile(r"\s(?:is|are|was)(?:\s(?:also\s)?(?:not|incorrect|wrong|false)|n't)\b")
_DENYING = re.compile(r"\b(?:not|nor|neither|than)\s\Z")


def extract_choice(
    text: str, letters: Sequence[str] = LETTERS[:4], texts: Sequence[str] = (), *, strict: bool = False,
    continues: bool = False,
) -> Extracted | None:  # fmt: skip
    """The letter of the choice that `text` answers with; `texts` are the choices' own words, in the order of `letters`.

    A letter counts where it is marked: "(B)", "[B]", "B)", "B:", "**B**", in either case; or stands as a word of its
    own, in upper case. "A" and "I" before another English word are the article and the pronoun, but for a few words
    such as "because". Rules, in order, of the sorts that `answers` describes:

    1. whole: the text is a letter, in either case, and marks around it.
    2. A declaration, the last first: the first letter in its sentence, or else the words of the one choice in it. With
       `strict` only a letter, and first in it. Letters joined by "or", "and" or a comma are no answer: None.
    3. is_correct: "(B) is correct", "B is the right answer", B가 정답, where all that are called so are one.
    4. leading: the text begins with "(B)", "B)", "B.", "B:", or B and a new line, and no line with another letter so.
    5. only_letter: all letters in brackets, in the whole text, are one, and it is not called wrong.
    6. choice_text: all words of choices, in the whole text, are of one, and none comes after "not"; those inside the
       words of a longer choice do not count, nor do words that two choices share.

    Where letter and words disagree, "(B) Rome" for "(B) Paris", the letter counts.

    Raises:
        ValueError: A letter is not one character, letters repeat, or there are more texts than letters.
    """
    ways = _ways(_checked(tuple(letters), len(texts)), tuple(texts))
    if match := ways.whole.fullmatch(text):
        return ways.reading(match, "whole")
    for one in declarations(text, continues=continues):
        found, several = _declared(ways, text, one, strict=strict)
        if found or several or one.denied:
            return found
    return None if strict else _fallback(ways, text)


@dataclass(frozen=True)
class _Ways:
    """The patterns of one set of choices; in each the letter is the group that took part."""

    letters: Mapping[str, str]
    """By their folded form."""
    whole: re.Pattern[str]
    letter: re.Pattern[str]
    bracket: re.Pattern[str]
    line: re.Pattern[str]
    correct: re.Pattern[str]
    words: re.Pattern[str] | None
    """One group a choice."""
    owners: tuple[str, ...]
    """Letters of the groups of `words`."""

    def reading(self, match: re.Match[str], rule: Rule) -> Extracted:
        at = match.lastindex or 0
        return Extracted(self.letters[match[at].casefold()], rule, *match.span(at))

    def worded(self, match: re.Match[str], rule: Rule) -> Extracted:
        return Extracted(self.owners[(match.lastindex or 1) - 1], rule, *match.span())


def _checked(letters: tuple[str, ...], texts: int) -> tuple[str, ...]:
    if not letters or any(len(letter) != 1 or not letter.isalnum() for letter in letters):
        raise ValueError(f"Choices must have letters or digits, one character each, had {letters!r}.")
    if len({letter.casefold() for letter in letters}) < len(letters) or texts > len(letters):
        raise ValueError(f"Choices must have a letter each, had {texts} texts and {len(letters)} letters.")
    return letters


@lru_cache(maxsize=64)
def _ways(letters: tuple[str, ...], texts: tuple[str, ...]) -> _Ways:
    upper = "|".join(f"{re.escape(letter)}{_ARTICLE if letter in 'AI' else ''}" for letter in letters)
    either = f"(?ai:{'|'.join(map(re.escape, letters))})"
    bracket = rf"[(\[][ ]?[*_]{{0,2}}({either})[*_]{{0,2}}[ ]?[)\]]"
    free, end = r"(?<![\w'’.-])", r"(?![A-Za-z0-9_'’]|[.-]\w)"
    letter = (
        rf"{bracket}|\\text(?:bf|rm)?\{{[( ]?({either})[) ]?\}}|{free}({either})(?=[)\]:]|\*\*|`)|{free}({upper}){end}"
    )
    correct = (
        rf"(?:{bracket}|{free}({upper}){end})[*_]{{0,2}}"
        r"(?:\s(?:is|must\sbe|would\sbe)\s(?:the\s)?(?:most\s)?(?:correct|right|best|true)\b|번?[이가]\s?(?:정답|맞|옳))"
    )
    line = rf"^[ \t>*_#-]{{0,6}}(?:{bracket}|({either})\)|({upper})[*_]{{0,2}}(?:[.:](?=\s|\*|$)|[ \t]*$))"
    whole = rf"[\s(\[*_`\"'“‘$]*({either})(?:번|[\s)\].:*_`\"'”’$。])*"
    words, owners = _words(letters, texts)
    some = [re.compile(way, re.MULTILINE) for way in (whole, letter, bracket, line, correct)]
    folded = {letter.casefold(): letter for letter in letters}
    return _Ways(folded, some[0], some[1], some[2], some[3], some[4], words, owners)


def _words(letters: tuple[str, ...], texts: tuple[str, ...]) -> tuple[re.Pattern[str] | None, tuple[str, ...]]:
    folded = [words.strip().casefold() for words in texts]
    own = [
        (words.strip(), letters[at]) for at, words in enumerate(texts) if words.strip() and folded.count(folded[at]) < 2
    ]
    own.sort(key=lambda pair: -len(pair[0]))
    if not own:
        return None, ()
    ends = ["" if "가" <= words[-1] <= "힣" else r"(?!\w|[.,]\d)" for words, _ in own]
    some = "|".join(f"({re.escape(words)}){end}" for (words, _), end in zip(own, ends, strict=True))
    return re.compile(rf"(?<![\w−-])(?<!\d[.,])(?:{some})", re.IGNORECASE), tuple(letter for _, letter in own)


def _declared(ways: _Ways, text: str, one: Declared, *, strict: bool) -> tuple[Extracted | None, bool]:
    """What a declaration reads as, and whether it names more than one choice."""
    if one.denied:
        return None, False
    if match := ways.whole.fullmatch(text, one.start, one.end):
        return ways.reading(match, one.rule), False
    opening = _OPENING.match(text, one.start, one.end)
    at = opening.end() if opening else one.start
    match = ways.letter.match(text, at, one.end) if strict else ways.letter.search(text, one.start, one.end)
    if match is None:
        return (None, False) if strict else _declared_words(ways, text, one)
    after = ways.letter.search(text, match.end(), one.end)
    found = ways.reading(match, one.rule)
    if (
        after
        and _JOIN.fullmatch(text, match.end(), after.start())
        and ways.reading(after, one.rule).value != found.value
    ):
        return None, True
    return found, False


def _declared_words(ways: _Ways, text: str, one: Declared) -> tuple[Extracted | None, bool]:
    found = (
        [ways.worded(match, one.rule) for match in ways.words.finditer(text, one.start, one.end)] if ways.words else []
    )
    several = len({each.value for each in found}) > 1
    return (None, True) if several else (found[0] if found else None, False)


def _fallback(ways: _Ways, text: str) -> Extracted | None:
    if found := _agreed(ways.reading(match, "is_correct") for match in ways.correct.finditer(text)):
        return found
    first = ways.line.match(text, text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1)
    if first and _agreed(ways.reading(match, "leading") for match in ways.line.finditer(text)):
        return _undenied(text, ways.reading(first, "leading"))
    if ways.bracket.search(text):
        return _undenied(text, _agreed(ways.reading(match, "only_letter") for match in ways.bracket.finditer(text)))
    if ways.words is None:
        return None
    return _undenied(text, _agreed(ways.worded(match, "choice_text") for match in ways.words.finditer(text)))


def _agreed(found: Iterable[Extracted]) -> Extracted | None:
    """The last of `found` if all name one choice."""
    last = None
    for one in found:
        if last is not None and one.value != last.value:
            return None
        last = one
    return last


def _undenied(text: str, found: Extracted | None) -> Extracted | None:
    if found is None:
        return None
    end = found.end + (text[found.end : found.end + 1] in (")", "]"))
    start = found.start - (text[max(0, found.start - 1) : found.start] in ("(", "["))
    denied = _DENIED.match(text, end) or _DENYING.search(text[max(0, start - 12) : start])
    return None if denied else found
