"""Decoding settings and their command-line notation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.decoding import Decoding, parse_strategy
from assay.core.errors import UserError


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"strategy": "beams"}, "'beams'"),
        ({"strategy": "sample", "temperature": 0.0}, "Decoding.temperature"),
        ({"strategy": "sample", "temperature": float("nan")}, "nan"),
        ({"strategy": "sample", "top_p": 0.0}, "top_p"),
        ({"strategy": "sample", "min_p": 1.0}, "min_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"seed": -1}, "seed"),
        ({"stop": ("a", "")}, "Decoding.stop"),
        ({"stop": "ab"}, "Decoding.stop"),
        ({"strategy": "beam"}, "Decoding.beams"),
        ({"beams": 2}, "Decoding.beams"),
        ({"top_k": 5}, "Decoding.top_k"),
        ({"strategy": "beam", "beams": 2, "top_p": 0.5}, "Decoding.top_p"),
        ({"length_penalty": 0.5}, "Decoding.length_penalty"),
        ({"strategy": "sample", "length_penalty": 0.5}, "Decoding.length_penalty"),
        ({"answers": 2}, "Decoding.answers"),
        ({"strategy": "beam", "beams": 2, "answers": 3}, "Decoding.answers"),
    ],
)
def test_an_invalid_field_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Decoding(**fields)
    assert named in str(caught.value)


@given(st.floats(0.1, 10), st.floats(-10, 10), st.integers(2, 9))
def test_controls_are_the_fields_that_differ_from_defaults(repetition: float, length: float, beams: int) -> None:
    controls = Decoding("beam", beams=beams, repetition_penalty=repetition, length_penalty=length, answers=2).controls
    assert ("repetition_penalty" in controls, "length_penalty" in controls) == (repetition != 1, length != 1)
    assert controls <= {"repetition_penalty", "length_penalty"}


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
def test_strategies_are_parsed(text: str, expected: Decoding) -> None:
    assert parse_strategy(text) == expected


def test_the_text_overrides_common_fields() -> None:
    decoding = parse_strategy("top-p:0.9", seed=3, max_tokens=9, stop=("\n",), top_p=0.5)
    assert decoding == Decoding("sample", top_p=0.9, seed=3, max_tokens=9, stop=("\n",))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("gredy", ("'gredy'", "'greedy'?")),
        ("top_k:5", ("'top_k'", "'top-k'?")),
        ("temprature:0.7", ("'temprature'", "'temperature'?")),
        ("", ("''", "beam, greedy")),
        ("top-k:5,", ("''",)),
        ("top-k", ("'top-k'", "top-k:50")),
        ("top-k:2.5", ("'top-k'", "'2.5'")),
        ("top-p:high", ("'top-p'", "'high'")),
        ("beam", ("'beam'", "beam:4")),
        ("beam:1", ("Decoding.beams",)),
        ("greedy:3", ("'greedy'", "'3'")),
        ("top-k:5,top-k:6", ("'top-k:5,top-k:6'", "top-k twice")),
        ("greedy,sample", ("strategy twice",)),
        ("greedy,top-k:5", ("Decoding.top_k", "'sample'")),
        ("beam:4,temperature:0.5", ("Decoding.temperature", "'sample'")),
        ("length-penalty:0.5", ("Decoding.length_penalty", "'beam'")),
        ("top-p:1.5", ("Decoding.top_p", "1.5")),
        ("top-p:nan", ("Decoding.top_p", "nan")),
    ],
)
def test_an_invalid_part_is_named(text: str, named: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as caught:
        parse_strategy(text)
    assert [part for part in named if part not in str(caught.value)] == []


@given(
    st.lists(st.sampled_from(["greedy", "beam", "sample", "top-k", "top-p", "min-p", "", "x"]), max_size=3),
    st.lists(st.sampled_from(["", ":", ":3", ":0.5", ":-1", ":inf", ":1e9", ":x", "::"]), min_size=3, max_size=3),
)
def test_any_text_is_a_decoding_or_a_user_error(names: list[str], values: list[str]) -> None:
    text = ",".join(name + value for name, value in zip(names, values, strict=False))
    try:
        decoding = parse_strategy(text)
    except UserError:
        return
    assert decoding.strategy in text or decoding.strategy == "sample"
    assert not decoding.controls or ":" in text
