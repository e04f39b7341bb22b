"""Extraction of the letter of a multiple-choice answer."""

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
    """Extract the letter of the chosen answer; `texts` are the texts of the choices, in the order of `letters`.

    A letter counts if it is marked, "(B)", "[B]", "B)", "B:", "**B**", in either case, or an upper-case word. "A" and
    "I" before another English word are the article and the pronoun, except before a few words such as "because".
    Rules in order, see the module `extraction`:

    1. whole: the text is a letter, in either case, with marks around it.
    2. Declarations, the last first: the first letter in the sentence, else the text of the only choice in it. With
       `strict` only a letter at the beginning. Letters joined by "or", "and" or a comma are not an answer: None.
    3. is_correct: "(B) is correct", "B is the right answer", B가 정답, if all such letters are equal.
    4. leading: the text begins with "(B)", "B)", "B.", "B:", or B and a new line, and no line has another letter.
    5. only_letter: all letters in brackets in the text are equal, and not called wrong.
    6. choice_text: all choice texts in the text are of one choice, and none follows "not"; matches inside of a longer
       choice text and texts shared by two choices do not count.

    If letter and text disagree, as in "(B) Rome" for "(B) Paris", the letter counts.

    Raises:
        ValueError: A letter is not one character, letters repeat, or there are more texts than letters.
    """
    patterns = _patterns(_checked(tuple(letters), len(texts)), tuple(texts))
    if match := patterns.whole.fullmatch(text):
        return patterns.reading(match, "whole")
    for declaration in declarations(text, continues=continues):
        choice, several = _declared(patterns, text, declaration, strict=strict)
        if choice or several or declaration.denied:
            return choice
    return None if strict else _fallback(patterns, text)


@dataclass(frozen=True)
class _Patterns:
    """Patterns of one set of choices; the matched group is the letter."""

    letters: Mapping[str, str]
    """Letters by their case-folded form."""
    whole: re.Pattern[str]
    letter: re.Pattern[str]
    bracket: re.Pattern[str]
    line: re.Pattern[str]
    correct: re.Pattern[str]
    words: re.Pattern[str] | None
    """One group per choice."""
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
def _patterns(letters: tuple[str, ...], texts: tuple[str, ...]) -> _Patterns:
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
    compiled = [re.compile(way, re.MULTILINE) for way in (whole, letter, bracket, line, correct)]
    folded = {letter.casefold(): letter for letter in letters}
    return _Patterns(folded, compiled[0], compiled[1], compiled[2], compiled[3], compiled[4], words, owners)


def _words(letters: tuple[str, ...], texts: tuple[str, ...]) -> tuple[re.Pattern[str] | None, tuple[str, ...]]:
    folded = [words.strip().casefold() for words in texts]
    unique = [
        (words.strip(), letters[at]) for at, words in enumerate(texts) if words.strip() and folded.count(folded[at]) < 2
    ]
    unique.sort(key=lambda pair: -len(pair[0]))
    if not unique:
        return None, ()
    ends = ["" if "가" <= words[-1] <= "힣" else r"(?!\w|[.,]\d)" for words, _ in unique]
    alternatives = "|".join(f"({re.escape(words)}){end}" for (words, _), end in zip(unique, ends, strict=True))
    pattern = re.compile(rf"(?<![\w−-])(?<!\d[.,])(?:{alternatives})", re.IGNORECASE)
    return pattern, tuple(letter for _, letter in unique)


def _declared(patterns: _Patterns, text: str, declaration: Declared, *, strict: bool) -> tuple[Extracted | None, bool]:
    """Answer of a declaration, and whether it names several choices."""
    start, end, rule = declaration.start, declaration.end, declaration.rule
    if declaration.denied:
        return None, False
    if match := patterns.whole.fullmatch(text, start, end):
        return patterns.reading(match, rule), False
    opening = _OPENING.match(text, start, end)
    at = opening.end() if opening else start
    match = patterns.letter.match(text, at, end) if strict else patterns.letter.search(text, start, end)
    if match is None:
        return (None, False) if strict else _declared_words(patterns, text, declaration)
    after = patterns.letter.search(text, match.end(), end)
    choice = patterns.reading(match, rule)
    if (
        after
        and _JOIN.fullmatch(text, match.end(), after.start())
        and patterns.reading(after, rule).value != choice.value
    ):
        return None, True
    return choice, False


def _declared_words(patterns: _Patterns, text: str, declaration: Declared) -> tuple[Extracted | None, bool]:
    if patterns.words is None:
        return None, False
    matches = patterns.words.finditer(text, declaration.start, declaration.end)
    choices = [patterns.worded(match, declaration.rule) for match in matches]
    several = len({choice.value for choice in choices}) > 1
    return (None, True) if several else (choices[0] if choices else None, False)


def _fallback(patterns: _Patterns, text: str) -> Extracted | None:
    if choice := _agreed(patterns.reading(match, "is_correct") for match in patterns.correct.finditer(text)):
        return choice
    first = patterns.line.match(text, text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1)
    if first and _agreed(patterns.reading(match, "leading") for match in patterns.line.finditer(text)):
        return _undenied(text, patterns.reading(first, "leading"))
    if patterns.bracket.search(text):
        return _undenied(
            text, _agreed(patterns.reading(match, "only_letter") for match in patterns.bracket.finditer(text))
        )
    if patterns.words is None:
        return None
    return _undenied(text, _agreed(patterns.worded(match, "choice_text") for match in patterns.words.finditer(text)))


def _agreed(choices: Iterable[Extracted]) -> Extracted | None:
    """The last of `choices` if all name the same choice."""
    last = None
    for choice in choices:
        if last is not None and choice.value != last.value:
            return None
        last = choice
    return last


def _undenied(text: str, choice: Extracted | None) -> Extracted | None:
    if choice is None:
        return None
    end = choice.end + (text[choice.end : choice.end + 1] in (")", "]"))
    start = choice.start - (text[max(0, choice.start - 1) : choice.start] in ("(", "["))
    denied = _DENIED.match(text, end) or _DENYING.search(text[max(0, start - 12) : start])
    return None if denied else choice
