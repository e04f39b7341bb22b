from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.duplicates import Duplicates
from assay.core.errors import FieldError
from assay.core.roles import Decision, ScoreTable
from error_fields import raises


def table(*texts: str, **more: tuple[str, ...]) -> ScoreTable:
    return ScoreTable([f"id{nth}" for nth in range(len(texts))], {}, {"text": texts, **more})


def named_row(decision: Decision) -> int | None:
    """The row that the reason names by its id."""
    match = re.search(r"\bid(\d+)\b", decision.reason)
    return int(match[1]) if match else None


def keeps(rule: Duplicates, *texts: str) -> list[bool]:
    return [decision.keep for decision in rule.decide(table(*texts))]


def test_first_of_equal_texts_is_kept_and_named() -> None:
    decisions = Duplicates(("text",)).decide(
        table("Name a fruit.", "Name a  FRUIT. ", "Name a fruit!", "Name a fruit.")
    )
    assert [decision.keep for decision in decisions] == [True, False, True, False]
    assert len({decision.rule for decision in decisions}) == 1
    assert [named_row(decision) for decision in decisions] == [None, 0, None, 0]
    assert decisions[1].reason != decisions[3].reason  # equal after normalization, and equal as it is


@pytest.mark.parametrize(
    "other",
    [
        "서울의  인구는?",
        unicodedata.normalize("NFD", "서울의 인구는?"),
        "서울의\u3000인구는\uff1f",
        "서울의\n인구는\u200b?",
    ],
)
def test_korean_is_normalized(other: str) -> None:
    assert keeps(Duplicates(("text",)), "서울의 인구는?", other, "부산의 인구는?") == [True, False, True]


def test_punctuation_can_be_ignored() -> None:
    texts = (
        "Name three fruits.",
        "Name three fruits",
        "What is 3.5?",
        "What is 35?",
        "!!!",
        "…",
        "Explain C#",
        "Explain C",
    )
    assert keeps(Duplicates(("text",)), *texts) == [True] * 8
    assert keeps(Duplicates(("text",), "ignore"), *texts) == [True, False, True, True, True, True, True, False]


def test_each_field_is_compared_with_the_same_field() -> None:
    rows = table("Add.", "Add.", "Add. 1", "", input=("1", "2", "", "Add. 1"))
    assert [decision.keep for decision in Duplicates(("text", "input")).decide(rows)] == [True] * 4
    assert [decision.keep for decision in Duplicates(("text",)).decide(rows)] == [True, False, True, True]


TEXTS = st.lists(st.text(st.sampled_from("aA\uff111 \t.ﬁ가나"), max_size=4), max_size=12)


@given(TEXTS, st.sampled_from(["keep", "ignore"]))
def test_first_of_each_set_of_equal_texts_is_kept(texts: list[str], marks: str) -> None:
    def plain(text: str) -> str:
        text = unicodedata.normalize("NFKC", text).casefold()
        bare = re.sub(r"\.", " ", text) if marks == "ignore" else text
        return " ".join(bare.split()) or " ".join(text.split())

    plains = [plain(text) for text in texts]
    decisions = Duplicates(("text",), marks).decide(table(*texts))  # type: ignore[arg-type]
    assert [decision.keep for decision in decisions] == [text not in plains[:nth] for nth, text in enumerate(plains)]
    for decision, text in zip(decisions, plains, strict=True):
        assert named_row(decision) == (None if decision.keep else plains.index(text))


def test_invalid_arguments_are_rejected() -> None:
    for fields in ((), ("text", "text"), ("",), "text"):
        with pytest.raises(ValueError, match=r"Duplicates.fields"):
            Duplicates(fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Duplicates.punctuation"):
        Duplicates(punctuation="drop")  # type: ignore[arg-type]
    with raises(FieldError, name="instruction"):
        Duplicates().decide(table("a"))


def test_long_sequence_of_combining_marks() -> None:
    text = "a" + "\u0301\u0323" * 200_000
    assert keeps(Duplicates(("text",)), text, text) == [True, False]


def test_empty() -> None:
    assert Duplicates().decide(ScoreTable([], {})) == []


def test_dialogues_with_different_history_are_not_duplicates() -> None:
    words = {"instruction": ("Go on.", "Go on.", "go on."), "input": ("", "", "")}
    ids = ["id0", "id1", "id2"]
    plain = Duplicates().decide(ScoreTable(ids, {}, words))
    assert [decision.keep for decision in plain] == [True, False, False]
    decisions = Duplicates().decide(ScoreTable(ids, {}, {**words, "history": ("of a pear", "of a fig", "of a fig")}))
    assert [decision.keep for decision in decisions] == [True, True, False]
    assert named_row(decisions[2]) == 1
