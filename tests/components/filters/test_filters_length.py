from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.length import Length
from assay.core.errors import FieldError
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.roles import ScoreTable
from assay.core.sample import Made, Sample
from assay.pipeline.lineage.explain import explain_sample
from assay.pipeline.stages.parts import samples_of
from assay.report.api import report
from error_fields import raises
from run_parts import folder_of, run


def table(*texts: str) -> ScoreTable:
    return ScoreTable([f"id{nth}" for nth in range(len(texts))], {}, {"text": texts})


def test_too_short_and_too_long_are_separate_rules() -> None:
    decisions = Length("text", low=2, high=3).decide(table("One.", "Two words!", "a b c", "a b c d", ""))
    assert [decision.keep for decision in decisions] == [False, True, True, False, False]
    too_short, within, also_within, too_long, empty = (decision.rule for decision in decisions)
    assert too_short == empty
    assert within == also_within
    assert [re.findall(r"\d+", rule) for rule in (too_short, within, too_long)] == [["2"], ["2", "3"], ["3"]]
    assert len({too_short, within, too_long}) == 3
    reasons = [decision.reason for decision in decisions]
    assert [re.findall(r"\d+ words?$", reason) for reason in reasons] == [
        ["1 word"],
        ["2 words"],
        ["3 words"],
        ["4 words"],
        ["0 words"],
    ]


@dataclass(frozen=True)
class Counts:
    """Texts of one word, two words and so on; the last is in Korean."""

    version: ClassVar[int] = 1

    def seeds(self) -> list[Sample]:
        return [Sample({"nth": str(nth)}, made_by="Counts") for nth in range(1, 8)]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> list[Made]:
        return [Sample({"text": "말 " * int(seed.text("nth"))}, (seed.id,), "Counts") for seed in seeds]


def test_run_counts_each_rule(tmp_path: Path) -> None:
    rule = Length("text", low=3, high=6)
    too_short, too_long = (decision.rule for decision in rule.decide(table("말", "말 말 말 말 말 말 말")))
    run(Recipe("counts", Counts(), keep=(rule,)), tmp_path / "run")
    flow = report(tmp_path / "run").facts.funnel
    assert (flow.kept, flow.dropped) == (4, {"1. Length": 3})
    assert flow.dropped_by_rule == {"1. Length": {too_short: 2, too_long: 1}}
    last = samples_of(folder_of(tmp_path / "run", "generate"))[-1]
    decision = explain_sample(tmp_path / "run", last.id)["decision"]
    assert decision["rule"] == too_long
    assert re.findall(r"\d+", decision["reason"]) == ["7"]


def test_one_bound_is_enough() -> None:
    assert [decision.keep for decision in Length("text", low=2).decide(table("a", "a b", "a b c"))] == [
        False,
        True,
        True,
    ]
    at_most = Length("text", high=2).decide(table("a", "a b", "a b c"))
    assert [decision.keep for decision in at_most] == [True, True, False]
    assert re.findall(r"\d+", at_most[0].rule) == ["2"]


def test_korean_words_are_syllables_and_characters_are_normalized() -> None:
    text = "서울의  인구는? "
    assert Length("text", low=1).decide(table(text))[0].reason.endswith(" 6 words")
    for form in (text, unicodedata.normalize("NFD", text)):
        assert Length("text", "characters", low=1).decide(table(form))[0].reason.endswith(" 8 characters")


@given(st.lists(st.text("ab 가", max_size=9), max_size=9), st.integers(0, 5), st.integers(0, 5))
def test_kept_texts_are_within_the_bounds(texts: list[str], low: int, more: int) -> None:
    decisions = Length("text", "characters", low, low + more).decide(table(*texts))
    assert [decision.keep for decision in decisions] == [
        low <= len(" ".join(text.split())) <= low + more for text in texts
    ]


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"Length.low"):
        Length("text")
    with pytest.raises(ValueError, match=r"Length.low .*-1"):
        Length("text", low=-1)
    with pytest.raises(ValueError, match=r"Length.high .*2 with low 3"):
        Length("text", low=3, high=2)
    with pytest.raises(ValueError, match=r"Length.unit .*'tokens'"):
        Length("text", "tokens", 1)  # type: ignore[arg-type]
    with raises(FieldError, name="instruction"):
        Length(low=1).decide(table("a"))


def test_empty() -> None:
    assert Length(low=1).decide(ScoreTable([], {})) == []
