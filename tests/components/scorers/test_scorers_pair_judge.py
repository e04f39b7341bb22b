"""Two answers before a judge, each way round: what counts as a win, and what is no verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.core.completions import Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import FieldError, ModelError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.text.instructions.dialogues import write_history
from assay.text.prompting.delimiters import delimited_texts
from error_fields import raises
from judges import CodeJudge, Judges, first, knows, longer
from labs import MemoryImages, tiny_lab

PAIRS = [("a long answer", "short"), ("short", "a long answer"), ("the same", " the same\n"), ("", " ")]


def pairs(rows: Sequence[tuple[str, str]] = tuple(PAIRS)) -> list[Sample]:
    return [
        Sample({"instruction": "Say it.", "output_a": one, "output_b": two}, nth=nth)
        for nth, (one, two) in enumerate(rows)
    ]


def judged(judge: CodeJudge, samples: Sequence[Sample], scorer: PairJudge | None = None) -> list[Outcome]:
    lab = Lab(7, Judges({"code": judge}), MemoryImages())  # type: ignore[arg-type]
    return list((scorer or PairJudge("code")).score(samples, lab))


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_win_needs_both_orders_and_equal_answers_are_a_tie_that_nobody_is_asked_about(by: Any) -> None:
    judge = CodeJudge(longer)
    found = judged(judge, pairs(), PairJudge("code", by))
    assert [one.value for one in found[:3] if isinstance(one, Score)] == [1.0, 0.0, 0.5]
    assert isinstance(found[2], Score)
    assert found[2].evidence == {"same": 1.0}
    assert found[3] == Unscored("not_applicable", "Both answers are empty.")
    assert len(judge.asked) == 4
    assert isinstance(found[0], Score)
    assert (found[0].evidence["as given"], found[0].evidence["swapped"], found[0].evidence["conflict"]) == (1, 1, 0)
    assert ("balanced" in found[0].evidence) == (by == "likelihood")


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_of_places_decides_nothing(by: Any) -> None:
    found = judged(CodeJudge(first), pairs()[:2], PairJudge("code", by))
    for one in found:
        assert isinstance(one, Score)
        assert (one.value, one.reason, one.evidence["conflict"]) == (0.5, "the orders disagree", 1.0)
        assert (one.evidence["as given"], one.evidence["swapped"]) == (1.0, 0.0)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_ties_are_ties_in_both_orders(by: Any) -> None:
    found = judged(CodeJudge(knows("long")), pairs([("long a", "long b")]), PairJudge("code", by, ties=True))
    assert [(one.value, one.reason) for one in found if isinstance(one, Score)] == [(0.5, "")]


@pytest.mark.parametrize(
    ("judge", "cause", "said"),
    [
        (CodeJudge(longer, say="Both are good."), "unparsed", "no line 'ID"),
        (CodeJudge(longer, say="ID 12: {said}"), "unparsed", "no line 'ID"),
        (CodeJudge(longer, say="ID {own}: X"), "unparsed", "no line 'ID"),
        (CodeJudge(longer, say=""), "unparsed", "no line 'ID"),
        (CodeJudge(longer, end="refusal"), "failed", "the judge gave no answer: refusal"),
        (CodeJudge(longer, missing=lambda parts: True), "failed", "gone: the server is down"),
        (CodeJudge(longer, missing=lambda parts: parts["ANSWER A"] == "short"), "failed", "gone"),
    ],
)
def test_what_is_no_verdict_is_unscored(judge: CodeJudge, cause: str, said: str) -> None:
    (found,) = judged(judge, pairs()[:1])
    assert isinstance(found, Unscored)
    assert found.cause == cause
    assert said in found.reason


class Spent(CodeJudge):
    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [NotCompleted("budget", "the budget of $1 is spent") for _ in requests]


def test_a_spent_budget_ends_the_work() -> None:
    with pytest.raises(ModelError, match=r"budget of \$1 is spent"):
        judged(Spent(longer), pairs()[:1])


def test_the_judge_sees_the_task_and_no_names() -> None:
    judge = CodeJudge(longer)
    task = {"instruction": "Sum up.", "input": "A long day.", "output_a": "Day.", "output_b": "It was long."}
    judged(judge, [Sample({**task, "output": "the reference"}, made_by="filtered")])
    assert all("A long day." in prompt and "Sum up." in prompt for prompt in judge.asked)
    assert not any("filtered" in prompt or "the reference" in prompt for prompt in judge.asked)


def test_a_sample_without_the_answers_is_a_mistake_in_the_recipe() -> None:
    with pytest.raises(FieldError, match="output_b"):
        PairJudge("tiny:judge").score([Sample({"instruction": "Say it.", "output_a": "x"})], tiny_lab())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"by": "letters"}, r"PairJudge.by .*\banswers, likelihood.*'letters'"),
        ({"decoding": Decoding("sample", answers=2)}, r"PairJudge.decoding .*\b2\b"),
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PairJudge("tiny:judge", **wrong)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_sees_what_was_said_before(by: Any) -> None:
    said = (Message("user", "Name a fruit."), Message("assistant", "A pear."))
    fields = {"instruction": "And a sour one?", "output_a": "A lemon.", "output_b": "A chair."}
    dialogue = Sample({**fields, "before": write_history(said)})
    judge = CodeJudge(longer)
    judged(judge, [dialogue, Sample(fields)], PairJudge("code", by, history="before"))
    shown = [delimited_texts(text)[1].get("CONVERSATION") for text in judge.asked]
    assert shown == ["User: Name a fruit.\n\nAssistant: A pear."] * 2 + [None] * 2
    broken = Sample({**fields, "history": "Hi."})
    with raises(FieldError, name="history", sample=broken.id):
        judged(judge, [broken], PairJudge("code", by))
