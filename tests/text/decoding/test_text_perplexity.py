"""Perplexity by token, word and byte, and windows over texts that are too long."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.decoding.perplexity import corpus_perplexity, text_perplexity, token_windows


def test_each_measure_divides_the_same_sum() -> None:
    perplexity = text_perplexity("für dich\n", [None, -1.0, -2.0, -3.0])
    # The line end is a word more, as in the harness.
    assert (perplexity.tokens, perplexity.words, perplexity.bytes) == (3, 3, 10)
    assert perplexity.per_token == pytest.approx(math.exp(6 / 3))
    assert perplexity.per_word == pytest.approx(math.exp(6 / 3))
    assert perplexity.per_byte == pytest.approx(math.exp(6 / 10))
    assert perplexity.bits_per_byte == pytest.approx(0.6 / math.log(2))


def test_a_corpus_is_summed_before_it_is_divided() -> None:
    first, second = text_perplexity("a b", [None, -4.0]), text_perplexity("c d e", [None, -1.0, -1.0, -1.0])
    both = corpus_perplexity([first, second])
    assert both.per_token == pytest.approx(math.exp(7 / 4))
    assert both.per_word == pytest.approx(math.exp(7 / 5))
    assert both.texts == 2
    assert both.per_token != pytest.approx((first.per_token + second.per_token) / 2)


def test_a_text_without_a_scored_token_is_no_part_of_a_corpus() -> None:
    scored = text_perplexity("a b", [None, -4.0])
    assert corpus_perplexity([scored, text_perplexity("Donaudampfschiff", [None]), text_perplexity("", [])]) == scored


@pytest.mark.parametrize("values", [[], [None]])
def test_what_has_no_scored_token_has_no_perplexity(values: list[None]) -> None:
    for perplexity in (
        text_perplexity("a", values),
        corpus_perplexity([text_perplexity("", values)]),
        corpus_perplexity([]),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            _ = perplexity.per_token


def test_the_ends_of_the_scale() -> None:
    assert text_perplexity("a b", [None, 1e-9]).per_token == 1.0
    assert text_perplexity("a b", [None, -math.inf]).per_token == math.inf
    assert text_perplexity("a b", [None, -5000.0]).bits_per_byte == math.inf


@given(st.integers(0, 200), st.integers(2, 40), st.data())
def test_every_token_but_the_first_is_scored_once_after_as_many_as_can_be(
    tokens: int, size: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size - 1))
    windows = token_windows(tokens, size, stride)
    scored = [place for window in windows for place in range(window.end - window.last, window.end)]
    assert scored == list(range(1, tokens))
    assert all(0 < window.last < window.end - window.begin <= size for window in windows)
    assert [window.begin for window in windows] == [nth * stride for nth in range(len(windows))]
    for window in windows[1:]:
        assert window.end - window.last - window.begin >= size - stride
    assert len(windows) == (0 if tokens < 2 else 1) or tokens > size


def test_windows_are_those_of_the_page() -> None:
    """Hugging Face's loop with max_length 8 and stride 4 over 18 tokens: begin, end, and trg_len less the first."""
    windows = [(window.begin, window.end, window.last) for window in token_windows(18, 8, 4)]
    assert windows == [(0, 8, 7), (4, 12, 4), (8, 16, 4), (12, 18, 2)]


@pytest.mark.parametrize("stride", [0, 8, 9])
def test_a_stride_must_leave_each_token_something_before_it(stride: int) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        token_windows(18, 8, stride)
    assert str(stride) in str(caught.value)
