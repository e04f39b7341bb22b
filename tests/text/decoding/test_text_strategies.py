from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.decoding import Decoding
from assay.core.errors import UserError
from assay.text.decoding.strategies import parse_strategy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("greedy", Decoding()),
        ("sample", Decoding("sample")),
        ("beam:4", Decoding("beam", beams=4)),
        ("beam:4,length-penalty:0.8", Decoding("beam", beams=4, length_penalty=0.8)),
        ("top-k:50", Decoding("sample", top_k=50)),
        ("top-p:0.9,temperature:0.7", Decoding("sample", top_p=0.9, temperature=0.7)),
        ("min-p:0.1", Decoding("sample", min_p=0.1)),
        ("temperature:1.2", Decoding("sample", temperature=1.2)),
        ("sample, Top-K: 5", Decoding("sample", top_k=5)),
        ("greedy,repetition-penalty:1.2", Decoding(repetition_penalty=1.2)),
    ],
)
def test_ways_of_decoding(text: str, expected: Decoding) -> None:
    assert parse_strategy(text) == expected


def test_what_is_said_goes_before_what_is_common() -> None:
    decoding = parse_strategy("top-p:0.9", seed=3, max_tokens=9, stop=("\n",), top_p=0.5)
    assert decoding == Decoding("sample", top_p=0.9, seed=3, max_tokens=9, stop=("\n",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gredy", r"called 'gredy'.*\n.*Did you mean 'greedy'\?"),
        ("top_k:5", r"called 'top_k'.*\n.*Did you mean 'top-k'\?"),
        ("temprature:0.7", r"Did you mean 'temperature'\?"),
        ("", r"called ''.*\n.*Known: beam, greedy"),
        ("top-k:5,", "called ''"),
        ("top-k", r"'top-k' needs a whole number, had ''.\n.*top-k:50"),
        ("top-k:2.5", "needs a whole number, had '2.5'"),
        ("top-p:high", "'top-p' needs a number, had 'high'"),
        ("beam", r"'beam' needs a whole number, had ''.\n.*beam:4"),
        ("beam:1", "beams must be 2 or more"),
        ("greedy:3", "'greedy' takes no value"),
        ("top-k:5,top-k:6", "top-k twice"),
        ("greedy,sample", "strategy twice"),
        ("greedy,top-k:5", "belongs to 'sample'"),
        ("beam:4,temperature:0.5", "belongs to 'sample'"),
        ("length-penalty:0.5", "belongs to 'beam'"),
        ("top-p:1.5", "between 1e-06 and 1"),
        ("top-p:nan", "was nan"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_strategy(text)


@given(
    st.lists(st.sampled_from(["greedy", "beam", "sample", "top-k", "top-p", "min-p", "", "x"]), max_size=3),
    st.lists(st.sampled_from(["", ":", ":3", ":0.5", ":-1", ":inf", ":1e9", ":x", "::"]), min_size=3, max_size=3),
)
def test_anything_is_a_way_of_decoding_or_a_users_error(names: list[str], values: list[str]) -> None:
    text = ",".join(name + value for name, value in zip(names, values, strict=False))
    try:
        decoding = parse_strategy(text)
    except UserError:
        return
    assert decoding.strategy in text or decoding.strategy == "sample"
    assert not decoding.controls or ":" in text
