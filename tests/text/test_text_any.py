# ruff: noqa: RUF001 -- models write dashes, quotation marks and colons of every kind.
"""Whatever a model may write: nothing raises, and nothing takes long."""

from __future__ import annotations

import re
import time
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


@pytest.mark.parametrize("piece", HARD)
def test_a_long_text_takes_time_in_proportion(piece: str) -> None:
    """Twenty times as long takes about twenty times as long, where a quadratic rule takes four hundred times."""
    texts = [piece * (size // len(piece)) for size in (20_000, 400_000)]
    for extract in (extract_number, extract_yes_no, extract_span, EXTRACTORS[3], normalized):
        took = []
        for text in texts:
            began = time.process_time()
            extract(text)
            took.append(time.process_time() - began)
        assert took[1] < 60 * took[0] + 0.1
