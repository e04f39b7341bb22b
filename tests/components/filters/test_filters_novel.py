from __future__ import annotations

import pytest

from assay.components.filters.novel import Novel
from assay.components.filters.threshold import Threshold
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.pipeline.stages.keep import decide
from error_fields import raises

TASKS = ("Write a poem about the sea.", "Write a short poem about the sea.", "Name three fruits.", "Name three fruits!")


def table(*tasks: str) -> ScoreTable:
    return ScoreTable([f"id{nth}" for nth in range(len(tasks))], {}, {"instruction": tasks})


def test_the_first_is_kept_and_the_reason_names_it() -> None:
    found = Novel().decide(table(*TASKS))
    assert [one.keep for one in found] == [True, False, True, False]
    assert {one.rule for one in found} == {"ROUGE-L F of instruction with all kept before <= 0.7"}
    assert found[0].reason == "nothing kept before it is so like it"
    assert found[1].reason == "like id0: ROUGE-L F 0.9231"
    assert found[3].reason == "like id2: ROUGE-L F 1.0000"
    backwards = Novel().decide(table(*TASKS[::-1]))
    assert [one.keep for one in backwards] == [True, False, True, False]


def test_the_rule_says_whether_the_limit_itself_is_kept() -> None:
    just = table("a b c d e f g x y z", "a b c d e f g u v w")
    assert [one.keep for one in Novel().decide(just)] == [True, True]
    strict = Novel(strict=True).decide(just)
    assert [one.keep for one in strict] == [True, False]
    assert strict[0].rule == "ROUGE-L F of instruction with all kept before < 0.7"


def test_dropped_samples_are_not_compared() -> None:
    """Greedy keeping belongs to the filter: what is new depends on what was kept."""
    from assay.core.score import Score

    scores = {"quality": [Score(0.0), Score(1.0), Score(1.0), Score(1.0)]}
    rows = decide(
        [Threshold("quality", low=0.5), Novel()],
        ScoreTable(["a", "b", "c", "d"], scores, {"instruction": TASKS}),
    )
    assert [row.keep for row in rows] == [False, True, True, False]
    assert rows[3].reason == "like c: ROUGE-L F 1.0000"


def test_mistakes_are_named() -> None:
    for limit in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"Novel.threshold"):
            Novel(threshold=limit)
    with pytest.raises(ValueError, match=r"Novel.words"):
        Novel(words="english")  # type: ignore[arg-type]
    with raises(FieldError, name="task"):
        Novel("task").decide(table(*TASKS))


def test_empty() -> None:
    assert Novel().decide(ScoreTable([], {})) == []
