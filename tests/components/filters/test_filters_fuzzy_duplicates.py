from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.components.filters.fuzzy_duplicates import (
    MAX_MISS_PROBABILITY,
    By,
    FuzzyDuplicates,
    miss_probability,
    shingles,
)
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from error_fields import raises
from shared_data import shared

REASON = re.compile(r"\bid(\d+)\b.* (\d\.\d{4})$")
"""Row of the kept text and Jaccard index, in the reason of a dropped one."""


def table(*texts: str) -> ScoreTable:
    return ScoreTable([f"id{nth}" for nth in range(len(texts))], {}, {"output": texts})


cached_shingles = lru_cache(maxsize=10_000)(shingles)


def index(text: str, other: str, ngram: int, by: By) -> float:
    ours, theirs = cached_shingles(text, ngram, by), cached_shingles(other, ngram, by)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 0.0


def exhaustive_twins(texts: Sequence[str], rule: FuzzyDuplicates) -> list[int | None]:
    """Most similar earlier kept text of each text, the first of equals, by comparison of all pairs."""
    twins: list[int | None] = []
    for nth, text in enumerate(texts):
        kept_rows = [row for row in range(nth) if twins[row] is None]
        indices = [index(text, texts[row], rule.ngram, rule.by) for row in kept_rows]
        twins.append(kept_rows[int(np.argmax(indices))] if indices and max(indices) >= rule.jaccard else None)
    return twins


def named_rows(rule: FuzzyDuplicates, texts: Sequence[str]) -> list[int | None]:
    matches = [REASON.search(decision.reason) for decision in rule.decide(table(*texts))]
    return [int(match[1]) if match else None for match in matches]


SEA = "The sea is wide and blue, and it sings to all who sail upon it in the night"


def test_first_of_similar_texts_is_kept_and_named() -> None:
    decisions = FuzzyDuplicates().decide(table(SEA, f"{SEA}.", f"{SEA} of day", "A cat sat on the mat."))
    assert [decision.keep for decision in decisions] == [True, False, False, True]
    (rule,) = {decision.rule for decision in decisions}
    assert re.search(r"\boutput\b.*\b0\.8$", rule)
    matches = [REASON.search(decision.reason) for decision in decisions]
    assert [match and match.groups() for match in matches] == [
        None,
        ("0", "1.0000"),
        ("0", "0.8889"),  # 16 of 18 runs of three words
        None,
    ]


@pytest.mark.parametrize("by", ["words", "characters"])
def test_korean_texts_are_compared_by_syllables(by: By) -> None:
    text = "바다는 넓고 푸르며 밤마다 그 위를 항해하는 모든 이에게 노래를 불러 준다"
    other = "산은 높고 푸르며 낮마다 그 위를 걸어가는 모든 이에게 그늘을 드리워 준다"
    assert named_rows(FuzzyDuplicates(by=by), [text, other, f"{text}!", f"{text}."]) == [None, None, 0, 0]


def test_texts_shorter_than_a_shingle_match_only_equal_texts() -> None:
    texts = ["Yes.", "No.", "yes", "그래", "아니", "그래!", "", " ", "!!!", "?!", "!!!", "Yes it is."]
    assert named_rows(FuzzyDuplicates(), texts) == [None, None, 0, None, None, 3, None, None, None, None, 8, None]
    assert named_rows(FuzzyDuplicates(by="characters", ngram=9), ["Yes.", "Yes!", "yes."]) == [None, None, 0]


WORDS = st.lists(st.sampled_from(["a", "cat", "sat", "on", "mats", "앉", "았다", "!"]), max_size=9).map(" ".join)


@given(
    st.lists(WORDS, max_size=14),
    st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    st.integers(1, 4),
    st.sampled_from(["words", "characters"]),
)
@settings(deadline=None)
def test_dropped_texts_name_a_kept_text_with_the_exact_index(
    texts: list[str], jaccard: float, ngram: int, by: By
) -> None:
    rule = FuzzyDuplicates(jaccard=jaccard, ngram=ngram, by=by)
    decisions = rule.decide(table(*texts))
    for nth, decision in enumerate(decisions):
        match = REASON.search(decision.reason)
        assert decision.keep == (match is None)
        if match:
            twin = int(match[1])
            assert twin < nth
            assert decisions[twin].keep
            exact = index(texts[nth], texts[twin], ngram, by)
            assert exact >= jaccard
            assert match[2] == f"{exact:.4f}"


def pairs(count: int, jaccard: float, seed: int) -> list[str]:
    """Pairs of texts of 60 words with a Jaccard index at the threshold or just above; different pairs share no word."""
    rng = np.random.default_rng(seed)
    texts = []
    for nth in range(count):
        words = [f"w{nth}x{place}" for place in range(60)]
        other = list(words)
        for place in rng.permutation(60):
            changed = [*other[:place], f"v{nth}", *other[place + 1 :]]
            if index(" ".join(words), " ".join(changed), 1, "words") < jaccard:
                break
            other = changed
        texts += [" ".join(words), " ".join(other)]
    return texts


@pytest.mark.parametrize(("jaccard", "permutations"), [(0.8, 128), (0.5, 128), (0.9, 64)])
def test_miss_probability_at_the_threshold(jaccard: float, permutations: int) -> None:
    texts = pairs(1_000, jaccard, seed=3)
    rule = FuzzyDuplicates(jaccard=jaccard, ngram=1, permutations=permutations)
    assert miss_probability(jaccard, *rule.bands) <= MAX_MISS_PROBABILITY
    assert miss_probability(jaccard, permutations // (rule.bands[1] + 1), rule.bands[1] + 1) > MAX_MISS_PROBABILITY
    lost = 1_000 - sum(twin is not None for twin in named_rows(rule, texts))
    assert lost <= 4  # more than 4 of 1,000 at 0.001 each: 4 times in a thousand


@pytest.mark.parametrize(
    "rule",
    [
        FuzzyDuplicates(jaccard=0.3, ngram=2),
        FuzzyDuplicates(jaccard=0.5, ngram=1),
        FuzzyDuplicates("output", 0.4, 4, "characters"),
    ],
    ids=repr,
)
def test_real_texts_equal_exhaustive_comparison(rule: FuzzyDuplicates) -> None:
    lines = (shared("alpaca-9k.jsonl") / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["instruction"] for line in lines[:600]]
    twins = named_rows(rule, texts)
    assert twins == exhaustive_twins(texts, rule)
    assert sum(twin is not None for twin in twins) >= 2


def test_invalid_arguments_are_rejected() -> None:
    for wrong, pattern in (
        ({"jaccard": 0.0}, r"jaccard .*\b0\b.*\b1\b.*\b0.0\b"),
        ({"jaccard": float("nan")}, r"jaccard .*\b0\b.*\b1\b.*\bnan\b"),
        ({"ngram": 0}, r"ngram .*\b1\b.*\b0\b"),
        ({"by": "letters"}, r"by .*\bwords, characters.*'letters'"),
        ({"permutations": 1}, r"permutations .*\b2 to 4096\b.*\b1\b"),
        ({"jaccard": 0.01}, r"permutations .*0.01, was 128"),
        ({"seed": -1}, r"seed .*\b0\b.*-1\b"),
    ):
        with pytest.raises(ValueError, match=f"FuzzyDuplicates.{pattern}"):
            FuzzyDuplicates(**wrong)  # type: ignore[arg-type]
    with raises(FieldError, name="words"):
        FuzzyDuplicates("words").decide(table("a"))


def test_empty() -> None:
    assert FuzzyDuplicates().decide(ScoreTable([], {})) == []
