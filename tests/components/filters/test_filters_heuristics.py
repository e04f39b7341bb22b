from __future__ import annotations

import pytest

from assay.components.filters.heuristics import Heuristics
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.text.instructions.self_instruct import RULE_DESCRIPTIONS
from error_fields import raises


def table(
    *rows: tuple[str, ...], names: tuple[str, ...] = ("instruction", "input", "output", "rejected")
) -> ScoreTable:
    fields = {name: [row[nth] for row in rows] for nth, name in enumerate(names)}
    return ScoreTable([f"id{nth}" for nth in range(len(rows))], {}, fields)


def rules(score_table: ScoreTable, rule: Heuristics | None = None) -> list[str]:
    return [decision.rule if not decision.keep else "" for decision in (rule or Heuristics()).decide(score_table)]


def test_decision_has_rule_and_description() -> None:
    first, second = Heuristics().decide(
        table(("Draw me a nice cat.", "", "Here.", ""), ("Name a wide river.", "", "The Rhine.", ""))
    )
    assert (first.keep, first.rule, first.reason) == (False, "beyond-text", RULE_DESCRIPTIONS["beyond-text"])
    assert (second.keep, second.rule) == (True, "heuristics of Self-Instruct")


def test_rejection_by_the_generator_comes_first() -> None:
    decisions = Heuristics().decide(table(("", "", "", "list-ended"), ("Name a wide river.", "", "The Rhine.", "odd")))
    assert [decision.rule for decision in decisions] == ["list-ended", "odd"]
    assert decisions[0].reason == RULE_DESCRIPTIONS["list-ended"]
    assert decisions[1].reason not in ("", *RULE_DESCRIPTIONS.values())


def test_contradicting_and_duplicate_tasks_are_dropped() -> None:
    ask = "Is this mail spam or not?"
    rows = [(ask, "You won!", "spam", ""), (ask, "You won!", "ham", ""), (ask, "Hello.", "ham", "")]
    assert rules(table(*rows, rows[2])) == ["contradicted", "contradicted", "", "duplicate"]
    assert rules(table(*rows, rows[2]), Heuristics(skip=("contradicted", "duplicate"))) == [""] * 4
    # Without an input, outputs may differ; tasks that another rule drops are not compared.
    poem = "Write a poem about winter."
    assert rules(table((poem, "", "Snow.", ""), (poem, "", "Ice.", ""))) == ["", ""]
    assert rules(table((ask, "Hi", "ham", ""), (ask, "Hi", "", ""))) == ["", "no-output"]


def test_skipped_rule_leaves_the_next_rule() -> None:
    short = table(("- cat.", "", "", ""))
    assert rules(short) == ["too-short"]
    assert rules(short, Heuristics(skip=("too-short",))) == ["starts-with-a-mark"]
    every = ("too-short", "starts-with-a-mark", "starts-with-no-letter")
    assert rules(short, Heuristics(output="", input="", skip=every)) == [""]


def test_works_with_any_task_fields() -> None:
    names = ("prompt", "completion")
    score_table = table(("Name a wide river.", "The Rhine."), ("Name a river", "The Rhine."), names=names)
    assert rules(score_table, Heuristics("prompt", "", "completion")) == ["", "too-short"]
    korean = table(("바다에 대한 시를 쓰세요.", "바다는 넓다."), ("지도를 보고 길을 찾으세요.", "네."), names=names)
    assert rules(korean, Heuristics("prompt", "", "completion")) == ["", "beyond-text"]
    with raises(FieldError, name="instruction"):
        Heuristics().decide(score_table)
    assert Heuristics().decide(ScoreTable([], {}, {})) == []


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"Heuristics\.instruction .*empty"):
        Heuristics("")
    with pytest.raises(ValueError, match=r"Heuristics\.output"):
        Heuristics(output="")
    with pytest.raises(ValueError, match=r"Heuristics\.skip .*'too-shrt'.*too-short"):
        Heuristics(skip=("too-shrt",))
