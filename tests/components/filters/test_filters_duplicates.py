from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.duplicates import Duplicates
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from error_fields import raises


def table(*texts: str, **more: tuple[str, ...]) -> ScoreTable:
    return ScoreTable([f"id{nth}" for nth in range(len(texts))], {}, {"text": texts, **more})


def kept(rule: Duplicates, *texts: str) -> list[bool]:
    return [one.keep for one in rule.decide(table(*texts))]


def test_the_first_is_kept_and_the_reason_names_it() -> None:
    found = Duplicates(("text",)).decide(table("Name a fruit.", "Name a  FRUIT. ", "Name a fruit!", "Name a fruit."))
    assert [one.keep for one in found] == [True, False, True, False]
    assert {one.rule for one in found} == {"each text once"}
    assert found[1].reason == "the same as id0, but for how it is written"
    assert found[3].reason == "the same as id0"


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
    assert kept(Duplicates(("text",)), "서울의 인구는?", other, "부산의 인구는?") == [True, False, True]


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
    assert kept(Duplicates(("text",)), *texts) == [True] * 8
    assert kept(Duplicates(("text",), "ignore"), *texts) == [True, False, True, True, True, True, True, False]


def test_a_text_is_compared_with_its_own_field() -> None:
    rows = table("Add.", "Add.", "Add. 1", "", input=("1", "2", "", "Add. 1"))
    assert [one.keep for one in Duplicates(("text", "input")).decide(rows)] == [True] * 4
    assert [one.keep for one in Duplicates(("text",)).decide(rows)] == [True, False, True, True]


TEXTS = st.lists(st.text(st.sampled_from("aA\uff111 \t.ﬁ가나"), max_size=4), max_size=12)


@given(TEXTS, st.sampled_from(["keep", "ignore"]))
def test_what_is_kept_is_the_first_of_each_set_of_equals(texts: list[str], marks: str) -> None:
    def plain(text: str) -> str:
        text = unicodedata.normalize("NFKC", text).casefold()
        bare = re.sub(r"\.", " ", text) if marks == "ignore" else text
        return " ".join(bare.split()) or " ".join(text.split())

    plains = [plain(text) for text in texts]
    found = Duplicates(("text",), marks).decide(table(*texts))  # type: ignore[arg-type]
    assert [one.keep for one in found] == [one not in plains[:nth] for nth, one in enumerate(plains)]
    for one, text in zip(found, plains, strict=True):
        named = re.match(r"the same as id(\d+)", one.reason)
        assert one.keep or (named and int(named[1]) == plains.index(text))


def test_mistakes_are_named() -> None:
    for fields in ((), ("text", "text"), ("",), "text"):
        with pytest.raises(ValueError, match=r"Duplicates.fields"):
            Duplicates(fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Duplicates.punctuation"):
        Duplicates(punctuation="drop")  # type: ignore[arg-type]
    with raises(FieldError, name="instruction"):
        Duplicates().decide(table("a"))


def test_many_marks_upon_one_letter_take_no_time() -> None:
    text = "a" + "\u0301\u0323" * 200_000
    assert kept(Duplicates(("text",)), text, text) == [True, False]


def test_empty() -> None:
    assert Duplicates().decide(ScoreTable([], {})) == []


def test_dialogues_that_end_with_the_same_words_are_not_the_same() -> None:
    words = {"instruction": ("Go on.", "Go on.", "go on."), "input": ("", "", "")}
    ids = ["id0", "id1", "id2"]
    plain = Duplicates().decide(ScoreTable(ids, {}, words))
    assert [one.keep for one in plain] == [True, False, False]
    found = Duplicates().decide(ScoreTable(ids, {}, {**words, "history": ("of a pear", "of a fig", "of a fig")}))
    assert [one.keep for one in found] == [True, True, False]
    assert found[2].reason == "the same as id1, but for how it is written"
