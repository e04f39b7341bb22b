"""Delimiters around untrusted text that the text cannot forge, and the id that a judge must repeat."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

ID_DIGITS = 8
"""Hexadecimal digits of an id."""
NAMES = ("CONVERSATION", "INSTRUCTION", "SOURCE", "TEXT", "ANSWER")
"""First words of delimiters."""
_MARKS = re.compile(rf"[<\uff1c\ufe64]{{3,}}(?=\W{{0,8}}(?:{'|'.join((*NAMES, 'END'))}))", re.IGNORECASE)
"""Beginning of a delimiter, also in full-width characters."""

DELIMITED = re.compile(
    rf"<<<(\w+(?: [AB])?) ([0-9a-f]{{{ID_DIGITS}}})>>>\n(.*?)\n<<<END OF \1 \2>>>",
    re.DOTALL,
)
"""Two delimiters with the text between them; groups: name, id, text."""


def item_id(texts: Sequence[str], seed: int) -> str:
    """Id of 8 hexadecimal digits derived from the texts and the seed; it occurs in none of the texts, in either case.

    The author of a text cannot include its id: a change of the text changes the id, and an id that occurs in a text by
    chance is skipped.
    """
    return next(candidate for candidate in _ids(texts, seed) if not any(candidate in text.casefold() for text in texts))


def delimit(name: str, text: str, id_: str) -> str:
    """Enclose `text` in two delimiters with the id; delimiters inside of the text are escaped."""
    assert name.split()[0] in NAMES, "only delimiters with known names are escaped in texts"
    return f"<<<{name} {id_}>>>\n{escape_delimiters(text)}\n<<<END OF {name} {id_}>>>"


def delimited_texts(prompt: str) -> tuple[str, dict[str, str]]:
    """The id of a judge prompt, and its delimited texts by name; for judges implemented in code.

    Raises:
        ValueError: There are no delimiters.
    """
    matches = list(DELIMITED.finditer(prompt))
    if not matches:
        raise ValueError(f"No delimited text in {prompt[:60]!r}.")
    return matches[0][2], {match[1]: match[3] for match in matches}


def escape_delimiters(text: str) -> str:
    """Insert spaces into the brackets of delimiters in `text`; other brackets, as in code, stay."""
    return _MARKS.sub(lambda match: " ".join(match[0]), text)


def _ids(texts: Sequence[str], seed: int) -> Iterator[str]:
    digest = hashlib.sha256(str(seed).encode())
    for text in texts:
        # One digest per text: concatenation would hide a character that moves from one text to the next.
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    nth = 0
    while True:
        yield hashlib.sha256(f"{digest.hexdigest()} {nth}".encode()).hexdigest()[:ID_DIGITS]
        nth += 1
