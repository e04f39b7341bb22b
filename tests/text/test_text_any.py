# ruff: noqa: RUF001 -- models write dashes, quotation marks and colons of every kind.
"""Whatever a model may write: nothing raises, and long texts do not hang."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.answers.choices import extract_choice
from assay.text.answers.extraction import Extracted, extract_number, extract_span, extract_yes_no
from assay.text.answers.normalization import normalized

PLANETS = ("Mars", "Venus", "Jupiter", "Saturn")
EXTRACTORS: tuple[Callable[[str], Extracted | None], ...] = (
    extract_number,
    lambda text: extract_number(text, strict=True),
    lambda text: extract_number(text, continues=True),
    lambda text: extract_choice(text, "ABCDI", PLANETS),
    lambda text: extract_choice(text, "12345", strict=True, continues=True),
    extract_yes_no,
    lambda text: extract_yes_no(text, continues=True),
    extract_span,
)
PIECES = """The answer is |Answer: |정답은 |#### |\\boxed{|}|not |(A)|B| or |1,234
3/4|½|-|−|$|%|1e5| × 10^|3만|5천|=|. |"
yes|No.|네|\u017f|\u0131|٣|²|⁻|a|I |. I|\n|the|3rd
B2|(|*|✓|\x00"""
MESSY = st.lists(st.sampled_from(re.split(r"[|\n]", PIECES)), max_size=12).map("".join)


@given(st.one_of(st.text(max_size=60), MESSY))
def test_no_text_raises_and_every_reading_has_its_place(text: str) -> None:
    for extract in EXTRACTORS:
        answer = extract(text)
        assert answer is None or (answer.value and 0 <= answer.start < answer.end <= len(text))
    span = extract_span(text)
    assert span is None or span.value == text[span.start : span.end]


HARD = [
    "9",
    "1,",
    "(A) ",
    "((",
    "the answer is ",
    "answer to ",
    "#### ",
    "\\boxed{",
    "= 3 ",
    "3 and ",
    "1/",
    "B2 ",
    " ",
    "1e",
]
HARD += [
    "not ",
    "yes ",
    "\n",
    '"',
    "3만 ",
    "$-",
    "٣",
    "\u0301\u0316",
    "no ",
    "**",
    "x10^",
    "A\n",
    "Answer:\n",
    "10 × 10⁵",
    "I ",
]


@pytest.mark.timeout(100)
@pytest.mark.parametrize("piece", HARD)
def test_long_texts_do_not_hang(piece: str) -> None:
    """A quadratic pattern takes many minutes for 400,000 characters, a linear one takes milliseconds."""
    text = piece * (400_000 // len(piece))
    for extract in EXTRACTORS:
        answer = extract(text)
        assert answer is None or 0 <= answer.start < answer.end <= len(text)
    assert normalized(normalized(text)) == normalized(text)
