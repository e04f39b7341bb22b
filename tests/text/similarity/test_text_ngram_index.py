"""Shared n-grams against a brute-force comparison of all positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity import ngram_index
from assay.text.similarity.ngram_index import Hashes, Ints, NgramIndex, SharedNgrams

WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


def shared(text: Sequence[str], other: Sequence[str], n: int) -> tuple[set[int], set[int]]:
    """Positions of both texts that lie in a shared n-gram."""
    size = min(n, len(text), len(other))
    here, there = set[int](), set[int]()
    for i in range(len(text) - size + 1):
        for j in range(len(other) - size + 1):
            if size and text[i : i + size] == other[j : j + size]:
                here |= set(range(i, i + size))
                there |= set(range(j, j + size))
    return here, there


def brute_force_match(text: Sequence[str], texts: Sequence[Sequence[str]], n: int) -> tuple[int, float, float] | None:
    matches = []
    for number, other in enumerate(texts):
        here, there = shared(text, other, n)
        if here:
            matches.append((number, len(here) / len(text), len(there) / len(other)))
    return max(matches, key=lambda match: (max(match[1:]), -match[0]), default=None)


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=4), st.integers(1, 6))
def test_the_most_alike_is_that_of_every_pair(texts: list[list[str]], queries: list[list[str]], n: int) -> None:
    index = NgramIndex(texts, n)
    for text in queries:
        match, expected = index.best_match(text), brute_force_match(text, texts, n)
        assert (match and (match.number, match.query_fraction, match.indexed_fraction)) == expected
        if match:
            here, _ = shared(text, texts[match.number], n)
            start, end = match.span
            assert set(range(start, end)) <= here
            assert start - 1 not in here
            assert end not in here


def test_an_item_in_a_longer_text_and_a_piece_of_an_item_are_both_found_whole() -> None:
    item = ["how", "many", "clips", "did", "natalia", "sell", "altogether", "in", "april", "and", "may"]
    index = NgramIndex([["so", "what"], item], 8)
    longer = ["here", "is", "one", *item, "answer", "seventy", "two"]
    assert index.best_match(longer) == SharedNgrams(1, 11 / 17, 1.0, (3, 14))
    assert index.best_match(item[2:11]) == SharedNgrams(1, 1.0, 9 / 11, (0, 9))
    assert index.best_match(item[:4]) == SharedNgrams(
        1, 1.0, 4 / 11, (0, 4)
    )  # shorter than n: the whole text is the n-gram
    assert index.best_match([*item[:3], "x"]) is None
    assert index.best_match(["so", "what", "then"]) == SharedNgrams(0, 2 / 3, 1.0, (0, 2))
    assert index.best_match([]) is None
    assert NgramIndex([], 3).best_match(item) is None
    assert NgramIndex([[], []], 3).best_match(item) is None


@pytest.mark.parametrize("same", [False, True], ids=["different", "of one template"])
def test_work_is_linear_in_tokens_and_shared_ngrams(same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counter[str]()
    hashes, count_covered = ngram_index._hashes, ngram_index._count_covered

    def counting_hashes(ids: Ints, size: int) -> Hashes:
        counts["hashed tokens"] += len(ids)
        return hashes(ids, size)

    def counting_covered(owners: Ints, places: Ints, size: int) -> tuple[Ints, Ints]:
        counts["matches"] += len(places)
        return count_covered(owners, places, size)

    monkeypatch.setattr(ngram_index, "_hashes", counting_hashes)
    monkeypatch.setattr(ngram_index, "_count_covered", counting_covered)
    texts = [[f"{place}{'' if same else f'-{nth}'}" for place in range(20)] for nth in range(1_000)]
    index = NgramIndex(texts, 8)
    queries = texts[:50] if same else texts
    assert all(index.best_match(text) for text in queries)
    # The index is hashed once, and each query once.
    assert counts["hashed tokens"] == 20 * (len(texts) + len(queries))
    # Each of the 13 n-grams of a query matches the texts that have it; both texts of a match are counted.
    assert counts["matches"] == 2 * 13 * len(queries) * (len(texts) if same else 1)
