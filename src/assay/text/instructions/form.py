"""Format of a text: lines, sentences, bullet points, repetition and completeness."""

# ruff: noqa: RUF001 -- punctuation of every script is matched here.
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assay.text.answers.extraction import sentence_end
from assay.text.similarity.tokens import tokens

_BULLET = re.compile(r"^[ \t]*[-*+•‣◦▪·][ \t]+\S", re.MULTILINE)
_LIST_MARKER = re.compile(r"^[ \t]*(?:(?:[-*+•‣◦▪·]|\d{1,3}[.)])[ \t]+){1,2}", re.MULTILINE)
_COMPLETE_END = re.compile(r"(?:[.!?…。！？।։؟]|```|~~~)[\"'”’»」』)\]}*_`]*\Z")


def count_lines(text: str) -> int:
    """Number of lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def count_bullets(text: str) -> int:
    """Number of lines that begin with a bullet: a hyphen, asterisk, plus sign or dot, then a space."""
    return len(_BULLET.findall(text))


def count_sentences(text: str) -> int:
    """Number of sentences, as split by `split_sentences`."""
    return len(split_sentences(text))


def split_sentences(text: str) -> list[str]:
    """Split text at full stops of any script and at line ends; parts without a word are dropped.

    Abbreviations such as "Dr." and initials do not end a sentence. List markers are removed.
    """
    return [part.strip() for part in _sentence_spans(_LIST_MARKER.sub("", text)) if tokens(part)]


def repeated_ngram_fraction(text: str, n: int) -> float:
    """Fraction of repeated word n-grams, 1 - distinct-n (Li et al. 2016, section 5.2); 0 without n-grams."""
    words = tokens(text)
    ngrams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def is_complete(text: str) -> bool:
    """Whether a text ends with sentence punctuation or a closed code block."""
    return _COMPLETE_END.search(text.rstrip()) is not None


class PhraseSearch:
    """Case-insensitive search for phrases in one text."""

    def __init__(self, text: str) -> None:
        self._plain = text
        self._words = _one_line_per_word(tokens(text))

    def __contains__(self, phrase: str) -> bool:
        """Whether the words of `phrase` are consecutive in the text; a phrase without words is matched literally.

        Korean, Chinese, Japanese and Thai phrases also match within longer words, because particles are attached.
        """
        words = tokens(phrase)
        return _one_line_per_word(words) in self._words if words else phrase in self._plain


def _one_line_per_word(words: Sequence[str]) -> str:
    return f"\n{chr(10).join(words)}\n"


def _sentence_spans(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = sentence_end(text, start, len(text))
        yield text[start : end + 1]
        start = end + 1
