import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.answers.aggregation import semantic_clusters, semantic_entropy
from assay.text.instructions.form import count_sentences, split_sentences

GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=12)


@given(GROUPS)
def test_answers_join_the_first_group_that_means_the_same(kinds: list[int]) -> None:
    clusters = semantic_clusters(len(kinds), lambda a, b: kinds[a] == kinds[b])
    assert all(
        (clusters[a] == clusters[b]) == (kinds[a] == kinds[b]) for a in range(len(kinds)) for b in range(len(kinds))
    )
    assert clusters[0] == 0
    assert sorted(set(clusters)) == list(range(len(set(kinds))))


def test_likeness_need_not_carry_over() -> None:
    """1 is like 0 and 2 is like 1, not like 0: as in the published code the first of a group speaks for it."""
    assert semantic_clusters(3, lambda a, b: abs(a - b) == 1) == (0, 0, 1)


@given(GROUPS, st.floats(-50, 0))
def test_equal_probabilities_are_the_discrete_entropy(groups: list[int], value: float) -> None:
    discrete = semantic_entropy(groups)
    shares = [groups.count(group) / len(groups) for group in set(groups)]
    assert discrete == pytest.approx(-sum(share * math.log(share) for share in shares), abs=1e-12)
    assert semantic_entropy(groups, [value] * len(groups)) == pytest.approx(discrete, abs=1e-9)
    assert 0 <= discrete <= math.log(len(groups)) + 1e-12


def test_probable_answers_weigh_more() -> None:
    assert semantic_entropy([0, 1], [-0.1, -8.0]) < 0.05 < semantic_entropy([0, 1])
    assert semantic_entropy([0, 1], [-1000.0, -1000.0]) == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="entropy"):
        semantic_entropy([])
    with pytest.raises(ValueError, match="entropy"):
        semantic_entropy([0], [-1.0, -2.0])


def test_sentences_are_listed_with_their_stops() -> None:
    text = "Dr. Kim left in 1999. Did she? 비가 온다. 雨が降る。 end"
    assert split_sentences(text) == ["Dr. Kim left in 1999.", "Did she?", "비가 온다.", "雨が降る。", "end"]
    assert split_sentences(" ... ") == []


@given(st.text(max_size=200))
def test_as_many_are_listed_as_are_counted(text: str) -> None:
    assert len(split_sentences(text)) == count_sentences(text)
