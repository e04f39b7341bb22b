"""Exact parsing of numbers in text, and normalization of text for comparison."""

# ruff: noqa: RUF001 -- dashes, quotation marks and colons of every kind are what is read here.
from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction

DIGITS = 300
"""Maximum number of characters and maximum power of ten of a parsed number."""
UNITS = re.compile(
    "mm|cm|m|km|in|ft|yd|mi|mg|g|kg|oz|lb|lbs|t|ml|cl|l|L|s|sec|ms|min|mins|h|hr|hrs|hours|days|mph|kph|kmh|km/h"
    "|W|kW|Hz|kHz|V|C|F|J|kcal|cal|dollars|cents|won"
)
"""Units that may follow a number without a space, as in "5km"; other letters do not ("5k", "3x", "3D")."""
MONEY = re.compile("USD|EUR|GBP|KRW|CAD|AUD")
"""Currency codes that may follow an amount without a space: "$3m" is not three."""
SCALES = {
    **{"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12},
    **{"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12},
}
_LATIN = r"A-Za-z\u00aa\u00b5\u00c0-\u024f\u0370-\u052f_"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_VULGAR = "¼-¾⅐-⅞"
_TOKEN = re.compile(
    rf"""(?P<other>
      \b(?:{_MONTHS})[a-z]{{0,6}}\.?\ \d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\ \d{{4}}\b)?
    | \b\d{{1,2}}(?:st|nd|rd|th)?\ (?:{_MONTHS})[a-z]{{0,6}}\b\.?(?:,?\ \d{{4}}\b)?
    | \b\d{{4}}년(?:\s?\d{{1,2}}월)(?:\s?\d{{1,2}}일)? | \b\d{{1,2}}월\s?\d{{1,2}}일
    | \b(?ai:step|question|problem|example|figure|table)\ \d{{1,4}}\b(?!\s?[=%./])
    | (?<![{_LATIN}\d])[{_LATIN}]++-?\d[{_LATIN}\d]*+(?:[.\-]\d[{_LATIN}\d]*+)*+ | (?<!\w)제\s?\d++ | \d++\s?번째
    | \d++(?ai:st|nd|rd|th)\b )
    | \\[dt]?frac\{{(?P<over>\d++)\}}\{{(?P<under>\d++)\}}
    | (?P<core>(?:(?<![\w.])\.)?\d++(?:(?:[.,:/~–−-]|\{{,\}}|\\,)\d++)*+[{_VULGAR}]?|[{_VULGAR}])
      (?:[eE](?P<e>[-+−]?\d{{1,4}})(?!\w)|\s?(?:[×x*·]|\\times|\\cdot)\s?10(?:
         \s?(?:\^|\*\*)\s?\{{?(?P<ten>[-+−]?\d{{1,4}})\}}?|(?P<raised>⁻?[⁰¹²³⁴-⁹]{{1,4}})))?
      (?P<scale>\s(?ai:dozen|hundred|thousand|million|billion|trillion)\b|(?:[십백천억]|만(?!큼)|조(?!각))+)?
      (?:\s?[%％])?
      (?P<bad>\^\s?\{{?[-+−]?\d*\}}?|\*\*[-+−]?\d+|[⁰¹²³⁴-⁹]|[{_LATIN}][{_LATIN}\d/]*+)?""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"\d+(?:\.\d+)?|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_OTHER = re.compile(r"\d+([-/.])\d+\1\d+.*|\d+:\d.*")
_LEAD = re.compile(r"(?P<outer>[-+−–])?(?:\\?[$€£¥₩￦]\s?)?(?P<inner>[-+−–])?\Z")
_JOINED = re.compile(
    r"\s*(?:[,，、;&+*/×÷xX·~–−'′-]|\\times|\\cdot|\\div|,?\s*(?:and|or|to)\b|및|와|과|또는|이나|에서|부터)\s*"
    r"|\s*(?:,|and|or)\s*[A-Za-z]\s?=\s?|[ \u00a0\u202f]"
    r"|\s?(?:hours?|hrs?|minutes?|mins?|days?|weeks?|months?|years?|feet|foot|pounds?|dollars?|시간|분|달러)\s(?:and\s)?"
)
ARTICLES = frozenset(("a", "an", "the"))
LONGEST_WORD = 200
"""Longer words are not normalized to NFKC, which takes quadratic time for runs of combining marks."""


@dataclass(frozen=True)
class Numeral:
    """A number, or another sequence of digits, in a text."""

    start: int
    """Includes a preceding sign or currency."""
    end: int
    value: Fraction | None
    """None if it is not a single number: a list, a range, an unfinished sum, a power, "5k", or too long."""
    other: bool = False
    """Whether it is not a quantity: a date, a time, an ordinal, a version, or part of a word ("B2")."""
    scale: int = 1
    """Factor of a Korean unit such as 만."""


def numerals(text: str, start: int, end: int) -> list[Numeral]:
    """Numbers and other sequences of digits in `text[start:end]`, in order.

    Supported: integers; decimals, with a point; thousands in groups of three with commas; signs, also U+2212 and the
    en dash, where they touch the number and nothing to subtract from stands before them; currency signs and percent
    signs, which are included in the span and do not change the value; "3/4", "½", "3 1/2", and LaTeX's frac; "1.5e-3"
    and "1.5 x 10^-3"; "2 million" and 3만 5천. Any Unicode decimal digits.

    Numbers joined by a comma, "and", "or", "to", an operator or a space are a list, a range or an unfinished sum, and
    "2 hours 30 minutes" is one quantity in two units: they have no value. The same holds for "3,5": a list, or a
    decimal comma.
    """
    result: list[Numeral] = []
    for match in _TOKEN.finditer(text, start, end):
        _append(result, _numeral(text, start, match), text)
    return result


def exact(text: str) -> Fraction | None:
    """Value of a text that is a single number, apart from spaces and a final full stop; else None."""
    at, end = len(text) - len(text.lstrip()), len(text.rstrip().removesuffix("."))
    if end - at > 4 * DIGITS:
        return None
    numbers = numerals(text, at, end)
    whole = len(numbers) == 1 and not numbers[0].other and (numbers[0].start, numbers[0].end) == (at, end)
    return numbers[0].value if whole else None


def plain(value: Fraction) -> str:
    """Canonical form of `value`: "-1234.5" without trailing zeros, or "1/3" if the decimals do not terminate."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1 or value.denominator == 1:
        return str(value)
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def same_number(a: str, b: str) -> bool:
    """Whether both texts are the same number: "1,234.50" and "$1234.5", "3/4" and "0.75", "25%" and "25".

    Exact rational comparison: "0.1" differs from "0.10000000000000001". A text that is not a single number, such as
    "42 apples", equals no text, not even itself. Percent and currency signs are ignored, as in the answers of GSM8K:
    "25%" is not "0.25", "$5" equals "€5".
    """
    left, right = exact(a), exact(b)
    return left is not None and left == right


def same_text(a: str, b: str) -> bool:
    """Whether both texts have the same words, ignoring case, punctuation, English articles and whitespace.

    Source: the official evaluation of SQuAD 1.1, `normalize_answer`. Differences for Unicode: NFKC normalization,
    case folding instead of lower case, Unicode punctuation instead of ASCII; and if nothing remains ("The", "!"),
    articles and punctuation are kept. As there, "-5" equals "5"; use `same_number` for numbers.
    """
    return normalized(a) == normalized(b)


def normalized(text: str) -> str:
    """Normalized form that `same_text` compares."""
    words = [part for word in text.split() for part in _nfkc(word).split()]
    bare = ["".join(character for character in word if not _is_punctuation(character)) for word in words]
    content = [word for word in bare if word and word not in ARTICLES]
    return " ".join(content or words)


def _nfkc(word: str) -> str:
    if len(word) > LONGEST_WORD:
        return word.casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _append(result: list[Numeral], numeral: Numeral, text: str) -> None:
    """Append `numeral`, or merge it with the previous numeral ("3 1/2"), or remove the value of both."""
    before = result[-1] if result else None
    if before is None or before.other or numeral.other:
        result.append(numeral)
        return
    gap = text[before.end : min(numeral.start, before.end + 40)]
    if gap in ("", " ") and (whole := _compound(before, numeral, text)) is not None:
        result[-1] = whole
    elif _JOINED.fullmatch(gap) or not gap:
        result[-1] = replace(before, value=None)
        result.append(replace(numeral, value=None))
    else:
        result.append(numeral)


def _compound(before: Numeral, after: Numeral, text: str) -> Numeral | None:
    """Merge "3 1/2" or 3만 5천 to one numeral; None if they are separate."""
    if before.value is None or after.value is None or after.value < 0:
        return None
    korean = before.scale > after.scale and after.value < before.scale
    mixed = before.value.denominator == 1 and after.value < 1 and "/" in text[after.start : after.end]
    if not korean and not (mixed and text[after.start].isdigit()):
        return None
    sign = -1 if before.value < 0 else 1
    return Numeral(before.start, after.end, before.value + sign * after.value, scale=after.scale)


def _numeral(text: str, floor: int, match: re.Match[str]) -> Numeral:
    start, end = match.span()
    core = match["core"]
    if match["other"] or (core and _OTHER.fullmatch(core)):
        return Numeral(start, end, None, other=True)
    start, sign = _lead(text, floor, start)
    bad, money = match["bad"], text[start : match.start()].strip("+-−–") != ""
    if bad and (MONEY if money else UNITS).fullmatch(bad):
        bad, end = None, match.start("bad")
    scale = _scale(match["scale"])
    value = None if bad else _value(match)
    if value is not None:
        value *= sign * scale
    return Numeral(start, end, value, scale=scale if match["scale"] and match["scale"][0] in SCALES else 1)


def _lead(text: str, floor: int, start: int) -> tuple[int, int]:
    """Start of a number including currency and sign, and its sign as 1 or -1."""
    near = text[max(floor, start - 5) : start]
    match = _LEAD.search(near)
    if match is None:
        return start, 1
    begin = start - len(near) + match.start()
    sign = match["outer"] or match["inner"]
    if match["outer"]:
        before = text[max(0, begin - 5) : begin]
        rest = before.rstrip()[-1:]
        if (rest.isalnum() and before[-1:] == rest) or rest.isdigit() or rest in (")", "%"):
            return begin + 1, 1
    return begin, -1 if sign and sign != "+" else 1


def _scale(words: str | None) -> int:
    scale = 1
    for word in [words.strip().lower()] if words and words[0].isspace() else words or "":
        scale *= SCALES[word]
    return scale


def _value(match: re.Match[str]) -> Fraction | None:
    core, power = match["core"], match["e"] or match["ten"] or match["raised"] or "0"
    if match.end() - match.start() > DIGITS:
        return None
    exponent = int(unicodedata.normalize("NFKC", power).replace("−", "-"))
    if abs(exponent) > DIGITS:
        return None
    if core is None:
        parts = [match["over"], match["under"]]
    elif core[-1].isdecimal():
        parts = core.replace("{,}", ",").replace("\\,", ",").split("/")
    else:
        return _vulgar(core)
    if len(parts) > 2 or not all(_PLAIN.fullmatch(part) for part in parts):
        return None
    over, under = (Fraction(part.replace(",", "")) for part in (*parts, "1")[:2])
    return over / under * Fraction(10) ** exponent if under else None


def _vulgar(core: str) -> Fraction | None:
    """Value of "½" or "3½"."""
    whole, part = core[:-1], unicodedata.normalize("NFKC", core[-1]).replace("\u2044", "/")
    if whole and not whole.isdecimal():
        return None
    return Fraction(whole or "0") + Fraction(part)
