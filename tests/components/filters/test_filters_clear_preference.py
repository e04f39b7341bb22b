"""ClearPreference: which pairs are kept, and the rules of dropped pairs."""

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


def rules(pairs: ScoreTable, rule: ClearPreference | None = None) -> list[str]:
    return [decision.rule for decision in (rule or ClearPreference()).decide(pairs)]


@pytest.mark.parametrize("verdict", SENTENCES)
def test_verdict_is_the_rule_with_its_description(verdict: str) -> None:
    (decision,) = ClearPreference().decide(table(("a", "b", verdict, "", "yes", "yes")))
    assert (decision.keep, decision.rule, decision.reason) == (False, verdict, SENTENCES[verdict])


def test_unknown_verdict_drops() -> None:
    (decision,) = ClearPreference().decide(table(("a", "b", "odd", "", "", "")))
    assert (decision.keep, decision.rule) == (False, "odd")
    assert decision.reason not in ("", *SENTENCES.values())


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
    decisions = ClearPreference("drop").decide(rows)
    assert [decision.rule for decision in decisions] == ["cut-off", "cut-off", "preferred"]
    one_answer, both_answers, _ = (decision.reason for decision in decisions)
    assert one_answer != both_answers


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


@given(rows=st.lists(ROW, max_size=9), truncated=st.sampled_from(["keep", "drop"]), margin=st.none() | st.floats(0, 4))
def test_kept_pairs_have_two_different_answers_and_no_verdict(
    rows: list[Any], truncated: Any, margin: float | None
) -> None:
    for row, decision in zip(rows, ClearPreference(truncated, margin).decide(table(*rows)), strict=True):
        if decision.keep:
            assert row[0].strip()
            assert row[1].strip()
            assert row[0].strip() != row[1].strip()
            assert not row[2]
            assert truncated == "keep" or "no" not in row[4:]
            assert margin is None or float(row[3]) >= margin
        assert decision.reason
