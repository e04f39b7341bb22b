"""Text of somebody else's between two marks that it cannot forge, and the id that a judge must repeat."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

DIGITS = 8
"""Hexadecimal digits of an id."""
NAMES = ("CONVERSATION", "INSTRUCTION", "SOURCE", "TEXT", "ANSWER")
"""Words that marks begin with."""
_MARKS = re.compile(rf"[<\uff1c\ufe64]{{3,}}(?=\W{{0,8}}(?:{'|'.join((*NAMES, 'END'))}))", re.IGNORECASE)
"""What looks like the beginning of a mark, as written in any width."""

FENCED = re.compile(
    rf"<<<(\w+(?: [AB])?) ([0-9a-f]{{{DIGITS}}})>>>\n(.*?)\n<<<END OF \1 \2>>>",
    re.DOTALL,
)
"""Two marks with what stands between them: name, id, text."""


def item_id(texts: Sequence[str], seed: int) -> str:
    """8 hexadecimal digits that depend on the texts and the seed, and that none of the texts holds, in either case.

    Who writes a text cannot put its id into it: that makes it another text, and an id that is there after all, by luck
    or by search, is passed over for the next.
    """
    return next(own for own in _ids(texts, seed) if not any(own in text.casefold() for text in texts))


def fence(name: str, text: str, own: str) -> str:
    """`text` between two marks that hold the id `own`; what looks like such a mark in it is taken apart."""
    assert name.split()[0] in NAMES, "marks begin with words that are looked for in texts"
    return f"<<<{name} {own}>>>\n{neutral(text)}\n<<<END OF {name} {own}>>>"


def fenced(prompt: str) -> tuple[str, dict[str, str]]:
    """The id of a judging prompt, and what stands between its marks, by their names: for judges that are code.

    Raises:
        ValueError: There are no marks.
    """
    found = list(FENCED.finditer(prompt))
    if not found:
        raise ValueError(f"There is no text between marks in {prompt[:60]!r}.")
    return found[0][2], {one[1]: one[3] for one in found}


def neutral(text: str) -> str:
    """`text` with spaces inside what looks like the brackets of a mark; other brackets, as in code, stay."""
    return _MARKS.sub(lambda found: " ".join(found[0]), text)


def _ids(texts: Sequence[str], seed: int) -> Iterator[str]:
    whole = hashlib.sha256(str(seed).encode())
    for text in texts:
        # Each text by its own digest: else a character that moves from one to the next would change nothing.
        whole.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    nth = 0
    while True:
        yield hashlib.sha256(f"{whole.hexdigest()} {nth}".encode()).hexdigest()[:DIGITS]
        nth += 1
