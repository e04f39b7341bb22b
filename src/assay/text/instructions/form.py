"""How a text is built: its lines, sentences and bullet points, what it says twice, and whether it comes to an end."""

# ruff: noqa: RUF001 -- full stops, brackets and quotation marks of every script are what is read here.
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assay.text.answers.extraction import sentence_end
from assay.text.similarity.tokens import tokens

_BULLET = re.compile(r"^[ \t]*[-*+•‣◦▪·][ \t]+\S", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:(?:[-*+•‣◦▪·]|\d{1,3}[.)])[ \t]+){1,2}", re.MULTILINE)
_ENDED = re.compile(r"(?:[.!?…。！？।։؟]|```|~~~)[\"'”’»」』)\]}*_`]*\Z")


def lines(text: str) -> int:
    """Lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def bullets(text: str) -> int:
    """Lines that begin with a bullet: a hyphen, an asterisk, a plus sign or a dot, and a space. Numbers are none."""
    return len(_BULLET.findall(text))


def sentences(text: str) -> int:
    """Stretches with a word in them that end at a full stop of any script, or at the end of a line.

    A stop after "Dr." and its like, or an initial, ends none; the mark or number of a list's item is no part of one.
    """
    return len(sentence_list(text))


def sentence_list(text: str) -> list[str]:
    """Those stretches, each with its full stop."""
    return [part.strip() for part in _stretches(_ITEM.sub("", text)) if tokens(part)]


def repeated_share(text: str, n: int) -> float:
    """The share of a text's runs of `n` words that are there a second time or more; 0 where it has no such run.

    It is 1 - distinct-n (Li et al. 2016, section 5.2), words as in `tokens`.
    """
    words = tokens(text)
    runs = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def ended(text: str) -> bool:
    """Whether a text ends as sentences do, or with a closed block of code, and not in the middle of one."""
    return _ENDED.search(text.rstrip()) is not None


class Words:
    """A text in which words are looked for, whatever their case."""

    def __init__(self, text: str) -> None:
        self._plain = text
        self._words = _joined(tokens(text))

    def __contains__(self, phrase: str) -> bool:
        """Whether the words of `phrase` stand in the text one after the other; what holds no word is looked for as is.

        A phrase of Korean, Chinese, Japanese or Thai is found within longer words too, as their particles ask for.
        """
        wanted = tokens(phrase)
        return _joined(wanted) in self._words if wanted else phrase in self._plain


def _joined(words: Sequence[str]) -> str:
    return f"\n{chr(10).join(words)}\n"


def _stretches(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = sentence_end(text, at, len(text))
        yield text[at : end + 1]
        at = end + 1
