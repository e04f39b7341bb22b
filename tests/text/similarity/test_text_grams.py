"""Shared runs of words, beside a loop over every pair of places."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity.ngram_index import GramIndex, RunOverlap

WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


def shared(text: Sequence[str], other: Sequence[str], n: int) -> tuple[set[int], set[int]]:
    """Places of both that lie in a run that both have."""
    size = min(n, len(text), len(other))
    here, there = set[int](), set[int]()
    for one in range(len(text) - size + 1):
        for two in range(len(other) - size + 1):
            if size and text[one : one + size] == other[two : two + size]:
                here |= set(range(one, one + size))
                there |= set(range(two, two + size))
    return here, there


def most(text: Sequence[str], texts: Sequence[Sequence[str]], n: int) -> tuple[int, float, float] | None:
    found = []
    for number, other in enumerate(texts):
        here, there = shared(text, other, n)
        if here:
            found.append((number, len(here) / len(text), len(there) / len(other)))
    return max(found, key=lambda one: (max(one[1:]), -one[0]), default=None)


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=4), st.integers(1, 6))
def test_the_most_alike_is_that_of_every_pair(texts: list[list[str]], asked: list[list[str]], n: int) -> None:
    index = GramIndex(texts, n)
    for text in asked:
        found, expected = index.most(text), most(text, texts, n)
        assert (found and (found.number, found.own, found.other)) == expected
        if found:
            here, _ = shared(text, texts[found.number], n)
            start, end = found.run
            assert set(range(start, end)) <= here
            assert start - 1 not in here
            assert end not in here


def test_an_item_in_a_longer_text_and_a_piece_of_an_item_are_both_found_whole() -> None:
    item = ["how", "many", "clips", "did", "natalia", "sell", "altogether", "in", "april", "and", "may"]
    index = GramIndex([["so", "what"], item], 8)
    longer = ["here", "is", "one", *item, "answer", "seventy", "two"]
    assert index.most(longer) == RunOverlap(1, 11 / 17, 1.0, (3, 14))
    assert index.most(item[2:11]) == RunOverlap(1, 1.0, 9 / 11, (0, 9))
    assert index.most(item[:4]) == RunOverlap(1, 1.0, 4 / 11, (0, 4))  # shorter than a run: whole, or not at all
    assert index.most([*item[:3], "x"]) is None
    assert index.most(["so", "what", "then"]) == RunOverlap(0, 2 / 3, 1.0, (0, 2))
    assert index.most([]) is None
    assert GramIndex([], 3).most(item) is None
    assert GramIndex([[], []], 3).most(item) is None


@pytest.mark.parametrize("same", [False, True], ids=["different", "of one template"])
def test_it_grows_with_the_texts_and_not_with_their_pairs(same: bool) -> None:
    texts = [[f"{place}{'' if same else nth}" for place in range(20)] for nth in range(10_000)]
    start = time.process_time()
    index = GramIndex(texts, 8)
    for text in texts[:50] if same else texts:
        assert index.most(text)
    assert time.process_time() - start < 30
