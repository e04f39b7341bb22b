# ruff: noqa: RUF001 -- models write dashes, quotation marks and colons of every kind.
from __future__ import annotations

import unicodedata
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.answers.extraction import extract_number
from assay.text.answers.normalization import exact, normalized, numerals, plain, same_number, same_text


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 6),
    st.sampled_from(["{}", "#### {}", "The answer is {}.", "정답: {}"]),
)
def test_any_decimal_is_read_back_exactly(digits: int, places: int, frame: str) -> None:
    value = Decimal(digits).scaleb(-places)
    for text in (f"{value:f}", f"{value:,f}", f"{value:f}".replace("-", "−"), f"{value:e}"):
        answer = extract_number(frame.format(text))
        assert answer is not None
        assert exact(answer.value) == Fraction(value)
        assert answer.value == plain(Fraction(value))
        assert same_number(answer.value, text)


@given(st.fractions(max_denominator=10**6))
def test_plain_is_one_way_to_write_a_number(value: Fraction) -> None:
    assert exact(plain(value)) == value
    assert exact(f"{value.numerator}/{value.denominator}") == value


@given(
    st.lists(st.integers(0, 999), min_size=2, max_size=4),
    st.sampled_from([" and ", "; ", " or ", ", or ", " to ", " + "]),
)
def test_a_list_is_not_one_number(values: list[int], between: str) -> None:
    text = between.join(map(str, values))
    assert all(numeral.value is None for numeral in numerals(text, 0, len(text)))
    assert extract_number(f"There are 3. The answer is {text}.") is None


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1,234.50", "$1234.5", True),
        ("0.1", "0.10000000000000001", False),
        ("3/4", "0.75", True),
        ("1/3", "0.3333333333333333", False),
        ("25%", "25", True),
        ("25%", "0.25", False),
        ("1e3", "1000", True),
        ("−5", "-5.0", True),
        ("42.", "42", True),
        ("42 apples", "42 apples", False),
        ("3만", "30000", True),
        ("4/0", "4/0", False),
        ("1e999999999", "1e999999999", False),
        ("", "", False),
    ],
)
def test_same_number(a: str, b: str, same: bool) -> None:
    assert same_number(a, b) is same
    assert same_number(b, a) is same


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("The Eiffel Tower", "eiffel tower!", True),
        ("an  apple", "Apple", True),
        ("Straße", "STRASSE", True),
        ("ＡＢＣ", "abc", True),
        ("“Hamlet”", "Hamlet", True),
        ("서울", unicodedata.normalize("NFD", "서울"), True),
        ("서울", "부산", False),
        ("서울.", "서울", True),
        ("A", "The", False),
        ("!", "?", False),
        ("theatre", "atre", False),
        ("Paris", "London", False),
    ],
)
def test_same_text(a: str, b: str, same: bool) -> None:
    assert same_text(a, b) is same


@given(st.text(max_size=40), st.text(max_size=40))
def test_same_text_is_an_equality(a: str, b: str) -> None:
    assert same_text(a, a)
    assert same_text(a, b) == same_text(b, a)
    assert same_text(f"  {a}\n", a)


@given(st.text(alphabet=[chr(code) for code in range(0xAC00, 0xAC00 + 600)], min_size=1, max_size=12))
def test_hangul_survives(text: str) -> None:
    assert normalized(text) == text
