from __future__ import annotations

import re

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


def test_first_of_similar_texts_is_kept_and_named() -> None:
    decisions = Novel().decide(table(*TASKS))
    assert [decision.keep for decision in decisions] == [True, False, True, False]
    (rule,) = {decision.rule for decision in decisions}
    assert re.search(r"\binstruction\b.* <= 0\.7$", rule)
    assert re.search(r"\bid0\b.*\b0\.9231$", decisions[1].reason)
    assert re.search(r"\bid2\b.*\b1\.0000$", decisions[3].reason)
    assert not re.search(r"\bid\d", decisions[0].reason)
    backwards = Novel().decide(table(*TASKS[::-1]))
    assert [decision.keep for decision in backwards] == [True, False, True, False]


def test_strict_drops_texts_exactly_at_the_threshold() -> None:
    just = table("a b c d e f g x y z", "a b c d e f g u v w")
    assert [decision.keep for decision in Novel().decide(just)] == [True, True]
    strict = Novel(strict=True).decide(just)
    assert [decision.keep for decision in strict] == [True, False]
    assert re.search(r" < 0\.7$", strict[0].rule)


def test_dropped_samples_are_not_compared() -> None:
    """Novelty is relative to kept samples only."""
    from assay.core.score import Score

    scores = {"quality": [Score(0.0), Score(1.0), Score(1.0), Score(1.0)]}
    rows = decide(
        [Threshold("quality", low=0.5), Novel()],
        ScoreTable(["a", "b", "c", "d"], scores, {"instruction": TASKS}),
    )
    assert [row.keep for row in rows] == [False, True, True, False]
    assert re.search(r"\bc\b.*\b1\.0000$", rows[3].reason)


def test_invalid_arguments_are_rejected() -> None:
    for limit in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"Novel.threshold"):
            Novel(threshold=limit)
    with pytest.raises(ValueError, match=r"Novel.words"):
        Novel(words="english")  # type: ignore[arg-type]
    with raises(FieldError, name="task"):
        Novel("task").decide(table(*TASKS))


def test_empty() -> None:
    assert Novel().decide(ScoreTable([], {})) == []
