"""Which pairs stay, and by which rule the others go."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.clear_preference import ClearPreference
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.text.prompting.rankings import SENTENCES
from error_fields import raises

NAMES = ("chosen", "rejected", "verdict", "margin", "chosen_whole", "rejected_whole")


def table(*rows: tuple[str, ...], names: tuple[str, ...] = NAMES) -> ScoreTable:
    return ScoreTable(
        [f"id{nth}" for nth in range(len(rows))],
        {},
        {name: [row[nth] for row in rows] for nth, name in enumerate(names)},
    )


def rules(found: ScoreTable, rule: ClearPreference | None = None) -> list[str]:
    return [one.rule for one in (rule or ClearPreference()).decide(found)]


@pytest.mark.parametrize("verdict", SENTENCES)
def test_a_verdict_is_the_rule_and_its_sentence_the_reason(verdict: str) -> None:
    (one,) = ClearPreference().decide(table(("a", "b", verdict, "", "yes", "yes")))
    assert (one.keep, one.rule, one.reason) == (False, verdict, SENTENCES[verdict])


def test_unknown_verdict_drops() -> None:
    (one,) = ClearPreference().decide(table(("a", "b", "odd", "", "", "")))
    assert (one.keep, one.rule, one.reason) == (False, "odd", "Its maker says so.")


def test_equal_or_missing_answers_are_dropped() -> None:
    bare = table(("a", "b"), ("a", " a\n"), ("", "b"), ("a", " "), names=("chosen", "rejected"))
    assert rules(bare) == ["preferred", "equal", "missing", "missing"]
    with raises(FieldError, name="rejected"):
        ClearPreference().decide(table(("a",), names=("chosen",)))
    other = table(("a", "b"), names=("good", "bad"))
    assert rules(other, ClearPreference(chosen="good", rejected="bad")) == ["preferred"]


def test_truncated_answers_are_dropped_if_configured() -> None:
    rows = table(("a", "b", "", "1", "no", "yes"), ("a", "b", "", "1", "no", "no"), ("a", "b", "", "1", "", ""))
    assert rules(rows) == ["preferred"] * 3
    found = ClearPreference("drop").decide(rows)
    assert [one.rule for one in found] == ["cut-off", "cut-off", "preferred"]
    assert [one.reason for one in found[:2]] == [
        "An answer was cut at the token limit.",
        "Both answers were cut at the token limit.",
    ]


def test_minimum_margin() -> None:
    rows = table(*(("a", "b", "", margin, "", "") for margin in ("0.5", "0.49", "", "nan", "-1")))
    assert rules(rows, ClearPreference(margin=0.5)) == [
        "preferred",
        "margin under 0.5",
        "margin unknown",
        "margin under 0.5",
        "margin under 0.5",
    ]
    with raises(FieldError, name="margin", sample="id0", value="much"):
        ClearPreference(margin=0.5).decide(table(("a", "b", "", "much", "", "")))
    with raises(FieldError, name="margin"):
        ClearPreference(margin=0.5).decide(table(("a", "b"), names=("chosen", "rejected")))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"truncated": "no"}, r"truncated .*\bkeep, drop.*'no'"),
        ({"margin": -1.0}, r"margin .*\b0\b.*-1\b"),
        ({"margin": math.nan}, r"margin .*\b0\b.*\bnan\b"),
        ({"chosen": "rejected"}, r"ClearPreference\.chosen .*'rejected' and 'rejected'"),
        ({"chosen": ""}, r"ClearPreference\.chosen .*'' and 'rejected'"),
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClearPreference(**wrong)


ROW = st.tuples(
    st.sampled_from(["", " ", "a", "b"]),
    st.sampled_from(["", "a", "b "]),
    st.sampled_from(["", "", "tie", "equal"]),
    st.sampled_from(["", "0.2", "3"]),
    st.sampled_from(["", "yes", "no"]),
    st.sampled_from(["", "yes", "no"]),
)


@given(rows=st.lists(ROW, max_size=9), cut=st.sampled_from(["keep", "drop"]), margin=st.none() | st.floats(0, 4))
def test_what_is_kept_has_two_different_answers_and_no_verdict(rows: list[Any], cut: Any, margin: float | None) -> None:
    for row, one in zip(rows, ClearPreference(cut, margin).decide(table(*rows)), strict=True):
        if one.keep:
            assert row[0].strip()
            assert row[1].strip()
            assert row[0].strip() != row[1].strip()
            assert not row[2]
            assert cut == "keep" or "no" not in row[4:]
            assert margin is None or float(row[3]) >= margin
        assert one.reason
