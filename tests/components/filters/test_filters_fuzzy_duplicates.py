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

LIKE = re.compile(r"like id(\d+): Jaccard index (\d\.\d{4})")


def table(*texts: str) -> ScoreTable:
    return ScoreTable([f"id{nth}" for nth in range(len(texts))], {}, {"output": texts})


cut = lru_cache(maxsize=10_000)(shingles)


def index(one: str, other: str, ngram: int, by: By) -> float:
    ours, theirs = cut(one, ngram, by), cut(other, ngram, by)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 0.0


def by_every_pair(texts: Sequence[str], rule: FuzzyDuplicates) -> list[int | None]:
    """The first of those most like each that were kept before it."""
    found: list[int | None] = []
    for nth, text in enumerate(texts):
        kept = [row for row in range(nth) if found[row] is None]
        indices = [index(text, texts[row], rule.ngram, rule.by) for row in kept]
        found.append(kept[int(np.argmax(indices))] if indices and max(indices) >= rule.jaccard else None)
    return found


def named(rule: FuzzyDuplicates, texts: Sequence[str]) -> list[int | None]:
    reasons = [LIKE.fullmatch(one.reason) for one in rule.decide(table(*texts))]
    return [int(one[1]) if one else None for one in reasons]


SEA = "The sea is wide and blue, and it sings to all who sail upon it in the night"


def test_the_first_is_kept_and_the_reason_names_it_and_its_index() -> None:
    found = FuzzyDuplicates().decide(table(SEA, f"{SEA}.", f"{SEA} of day", "A cat sat on the mat."))
    assert [one.keep for one in found] == [True, False, False, True]
    assert {one.rule for one in found} == {"no kept twin with a Jaccard index of output >= 0.8"}
    assert found[1].reason == "like id0: Jaccard index 1.0000"
    assert found[2].reason == "like id0: Jaccard index 0.8889"  # 16 of 18 runs of three words
    assert found[3].reason == "no twin was kept before it"


@pytest.mark.parametrize("by", ["words", "characters"])
def test_korean_texts_are_compared_by_their_syllables(by: By) -> None:
    text = "바다는 넓고 푸르며 밤마다 그 위를 항해하는 모든 이에게 노래를 불러 준다"
    other = "산은 높고 푸르며 낮마다 그 위를 걸어가는 모든 이에게 그늘을 드리워 준다"
    assert named(FuzzyDuplicates(by=by), [text, other, f"{text}!", f"{text}."]) == [None, None, 0, 0]


def test_texts_too_short_for_a_shingle_are_like_their_equals_alone() -> None:
    texts = ["Yes.", "No.", "yes", "그래", "아니", "그래!", "", " ", "!!!", "?!", "!!!", "Yes it is."]
    assert named(FuzzyDuplicates(), texts) == [None, None, 0, None, None, 3, None, None, None, None, 8, None]
    assert named(FuzzyDuplicates(by="characters", ngram=9), ["Yes.", "Yes!", "yes."]) == [None, None, 0]


WORDS = st.lists(st.sampled_from(["a", "cat", "sat", "on", "mats", "앉", "았다", "!"]), max_size=9).map(" ".join)


@given(
    st.lists(WORDS, max_size=14),
    st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    st.integers(1, 4),
    st.sampled_from(["words", "characters"]),
)
@settings(deadline=None)
def test_every_drop_is_true_and_names_its_twin(texts: list[str], jaccard: float, ngram: int, by: By) -> None:
    rule = FuzzyDuplicates(jaccard=jaccard, ngram=ngram, by=by)
    found = rule.decide(table(*texts))
    for nth, one in enumerate(found):
        told = LIKE.fullmatch(one.reason)
        assert one.keep == (told is None)
        if told:
            twin = int(told[1])
            assert twin < nth
            assert found[twin].keep
            exact = index(texts[nth], texts[twin], ngram, by)
            assert exact >= jaccard
            assert told[2] == f"{exact:.4f}"


def pairs(count: int, jaccard: float, seed: int) -> list[str]:
    """Texts of 60 words in twos, each with its second just at the limit or above, and like no other."""
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
    lost = 1_000 - sum(one is not None for one in named(rule, texts))
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
def test_real_texts_are_decided_as_by_every_pair(rule: FuzzyDuplicates) -> None:
    lines = (shared("alpaca-9k.jsonl") / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["instruction"] for line in lines[:600]]
    found = named(rule, texts)
    assert found == by_every_pair(texts, rule)
    assert sum(one is not None for one in found) >= 2


def test_mistakes_are_named() -> None:
    for wrong, said in (
        ({"jaccard": 0.0}, r"jaccard .*\b0\b.*\b1\b.*\b0.0\b"),
        ({"jaccard": float("nan")}, r"jaccard .*\b0\b.*\b1\b.*\bnan\b"),
        ({"ngram": 0}, r"ngram .*\b1\b.*\b0\b"),
        ({"by": "letters"}, r"by .*\bwords, characters.*'letters'"),
        ({"permutations": 1}, r"permutations .*\b2 to 4096\b.*\b1\b"),
        ({"jaccard": 0.01}, r"permutations .*0.01, was 128"),
        ({"seed": -1}, r"seed .*\b0\b.*-1\b"),
    ):
        with pytest.raises(ValueError, match=f"FuzzyDuplicates.{said}"):
            FuzzyDuplicates(**wrong)  # type: ignore[arg-type]
    with raises(FieldError, name="words"):
        FuzzyDuplicates("words").decide(table("a"))


def test_empty() -> None:
    assert FuzzyDuplicates().decide(ScoreTable([], {})) == []
