from __future__ import annotations

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


def test_too_short_and_too_long_are_two_rules_and_the_reason_gives_the_number() -> None:
    found = Length("text", low=2, high=3).decide(table("One.", "Two words!", "a b c", "a b c d", ""))
    assert [(one.keep, one.rule, one.reason) for one in found] == [
        (False, "text under 2 words", "text has 1 word"),
        (True, "text of 2 to 3 words", "text has 2 words"),
        (True, "text of 2 to 3 words", "text has 3 words"),
        (False, "text over 3 words", "text has 4 words"),
        (False, "text under 2 words", "text has 0 words"),
    ]


@dataclass(frozen=True)
class Counts:
    """Texts of one word, two words and so on; the last is in Korean."""

    version: ClassVar[int] = 1

    def seeds(self) -> list[Sample]:
        return [Sample({"nth": str(nth)}, made_by="Counts") for nth in range(1, 8)]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> list[Made]:
        return [Sample({"text": "말 " * int(seed.text("nth"))}, (seed.id,), "Counts") for seed in seeds]


def test_a_run_counts_each_rule_and_says_which_one_dropped_a_sample(tmp_path: Path) -> None:
    run(Recipe("counts", Counts(), keep=(Length("text", low=3, high=6),)), tmp_path / "run")
    flow = report(tmp_path / "run").facts.funnel
    assert (flow.kept, flow.dropped) == (4, {"1. Length": 3})
    assert flow.dropped_by_rule == {"1. Length": {"text under 3 words": 2, "text over 6 words": 1}}
    last = samples_of(folder_of(tmp_path / "run", "generate"))[-1]
    decision = explain_sample(tmp_path / "run", last.id)["decision"]
    assert (decision["rule"], decision["reason"]) == ("text over 6 words", "text has 7 words")


def test_one_bound_is_enough() -> None:
    assert [one.keep for one in Length("text", low=2).decide(table("a", "a b", "a b c"))] == [False, True, True]
    at_most = Length("text", high=2).decide(table("a", "a b", "a b c"))
    assert [one.keep for one in at_most] == [True, True, False]
    assert at_most[0].rule == "text of at most 2 words"


def test_korean_words_are_syllables_and_characters_are_counted_as_they_look() -> None:
    text = "서울의  인구는? "
    assert Length("text", low=1).decide(table(text))[0].reason == "text has 6 words"
    for one in (text, unicodedata.normalize("NFD", text)):
        assert Length("text", "characters", low=1).decide(table(one))[0].reason == "text has 8 characters"


@given(st.lists(st.text("ab 가", max_size=9), max_size=9), st.integers(0, 5), st.integers(0, 5))
def test_what_is_kept_lies_within_the_bounds(texts: list[str], low: int, more: int) -> None:
    found = Length("text", "characters", low, low + more).decide(table(*texts))
    assert [one.keep for one in found] == [low <= len(" ".join(text.split())) <= low + more for text in texts]


def test_mistakes_are_named() -> None:
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
